# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What unlabelled frames are worth: objects that no model has seen, by how many labels there were.

Three learn by the same frozen backbones from the same labels of the Washington data set's splits:
SS-HMVAE-kl with the unlabelled frames, the same model without them (for as many steps), and a
linear classifier for each mode. Where the recipe has views, as the shipped one, both models see
them; the linear classifier sees the frames as they are. The papers do not ask this; table 5 has no
figure to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from mm_perception.errors import SettingsError
from training.features.dataset import Dataset
from training.paper.learners import LEARNERS
from training.paper.results import Result, append, read
from training.paper.washington.features import Setting, frozen_features
from training.paper.washington.trials import (
    Trial,
    chosen_by_name,
    of_the_same,
    opened,
    run_trial,
)

PER_CLASS = (1, 2, 5, None)
"""So many labelled frames of each class; None is the recipe's share of all."""


def run_few_labels(
    folder: Path,
    results: Path,
    setting: Setting,
    *,
    splits: Sequence[int] = (),
    only: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
) -> list[Result]:
    """Run what is not in the results yet.

    Args:
        folder: The data set, laid out as published, or a part of it.
        results: The CSV file to add to.
        setting: How and where; its backbones stay as they are.
        splits: Those to run, from 1; all where none is named.
        only: What learner and labels (``linear, 5%``) have to have in their name, one of these.
        seeds: Each decides labels and first weights; one run each.

    Returns:
        The rows that were added.

    Raises:
        MMPerceptionError: Whatever is wrong with the input; what was measured is in the results.
        StoppedError: Ctrl-C; the same call goes on where it stopped.

    """
    if setting.recipe.teaching is not None:
        raise SettingsError(
            'teaching: few_labels leaves the backbones as they are; take depth_encodings, or --set '
            'teaching=null'
        )
    setting = setting.named('few_labels')
    objects, chosen = opened(folder, splits, setting)
    kinds = chosen_by_name(_kinds(setting), only, 'few_labels')
    added: list[Result] = []
    dataset: Dataset | None = None
    for seed, split, kind in product(seeds, chosen, kinds):
        trial = Trial(*kind, split, seed)
        if any(of_the_same(read(results), objects, trial, setting)):
            continue
        dataset = dataset or frozen_features(objects, setting)
        row = run_trial(objects, dataset, trial, setting)
        append(results, row)
        setting.console.print(_told(row), highlight=False)
        added.append(row)
    return added


def _kinds(setting: Setting) -> dict[str, tuple[str, int | None]]:
    """Name learners and numbers of labels."""
    return {
        f'{learner}, {Trial(learner, per_class, 1, 0).labels(setting)}': (learner, per_class)
        for per_class, learner in product(PER_CLASS, LEARNERS)
    }


def _told(row: Result) -> str:
    return (
        f'{row.model}, {row.labels}, split {row.split}, seed {row.seed}: RGB {row.x:.1f} %, '
        f'depth {row.w:.1f} %, both {row.xw:.1f} %, {row.seconds:.0f} s'
    )
