# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What depth is worth in which form: jet, normals and HHA, by a backbone as it is or one taught.

The splits, labels and learners are those of ``few_labels``. RGB teaches depth's backbone on all
crops that train, once a split and encoding: there is no label in it, so that all seeds share it.
The papers do not ask this; table 5 has no figure to compare with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from training.features.dataset import Dataset
from training.paper.learners import ENCODINGS, FROZEN, LINEAR, SEMI_SUPERVISED, TAUGHT, WAYS
from training.paper.results import Result, append, read
from training.paper.washington.features import Setting, frozen_features, taught_features
from training.paper.washington.splits import Objects
from training.paper.washington.trials import (
    Trial,
    chosen_by_name,
    of_the_same,
    opened,
    run_trial,
)
from training.recipe import Teaching

PER_CLASS = (2, None)
"""So many labelled frames of each class; None is the recipe's share of all."""

_TEACHING_SEED = 0


@dataclass(frozen=True)
class Kind:
    """What is compared.

    Attributes:
        encoding: One of ``ENCODINGS``.
        way: One of ``WAYS``.
        learner: Linear or semi-supervised.
        per_class: Labelled frames of each class; None is the recipe's share of all.

    """

    encoding: str
    way: str
    learner: str
    per_class: int | None

    def setting(self, setting: Setting) -> Setting:
        """Give the setting that encodes depth and treats its backbone in this way."""
        recipe, path = setting.recipe, setting.recipe.pipeline
        preprocessing = path.preprocessing.model_copy(update={'depth_encoding': self.encoding})
        changed = {
            'pipeline': path.model_copy(update={'preprocessing': preprocessing}),
            'teaching': (recipe.teaching or Teaching()) if self.way == TAUGHT else None,
        }
        return replace(setting, recipe=recipe.model_copy(update=changed))


def run_depth_encodings(
    folder: Path,
    results: Path,
    setting: Setting,
    *,
    splits: Sequence[int] = (),
    only: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
) -> list[Result]:
    """Run what is not in the results yet; arguments, result and errors are ``run_few_labels``'s."""
    setting = setting.named('depth_encodings')
    objects, chosen = opened(folder, splits, setting)
    kinds = chosen_by_name(_kinds(setting), only, 'depth_encodings')
    added: list[Result] = []
    features = _Features(objects, setting)
    for split, kind, seed in product(chosen, kinds, seeds):
        trial, own = Trial(kind.learner, kind.per_class, split, seed), kind.setting(setting)
        if any(of_the_same(read(results), objects, trial, own)):
            continue
        row = run_trial(objects, features(kind, split), trial, own)
        append(results, row)
        setting.console.print(_told(row), highlight=False)
        added.append(row)
    return added


class _Features:
    """The features of every crop; the last ones are kept: kinds that share them come together."""

    def __init__(self, objects: Objects, setting: Setting) -> None:
        self._objects, self._setting = objects, setting
        self._last: tuple[tuple[str, str, int], Dataset] | None = None

    def __call__(self, kind: Kind, split: int) -> Dataset:
        key = kind.encoding, kind.way, split
        if self._last is None or self._last[0] != key:
            self._last = key, self._computed(kind, split)
        return self._last[1]

    def _computed(self, kind: Kind, split: int) -> Dataset:
        plain = frozen_features(self._objects, kind.setting(self._setting))
        if kind.way == FROZEN:
            return plain
        setting = kind.setting(self._setting)
        return taught_features(self._objects, split, setting, plain, _TEACHING_SEED)


def _kinds(setting: Setting) -> dict[str, Kind]:
    """Name what there is to compare."""
    kinds: dict[str, Kind] = {}
    learners = LINEAR, SEMI_SUPERVISED
    for encoding, way, learner, per_class in product(ENCODINGS, WAYS, learners, PER_CLASS):
        labels = Trial(learner, per_class, 1, 0).labels(setting)
        kinds[f'{encoding}, {way}, {learner}, {labels}'] = Kind(encoding, way, learner, per_class)
    return kinds


def _told(row: Result) -> str:
    return (
        f'{row.data}: {row.model}, {row.labels}, split {row.split}, seed {row.seed}: '
        f'depth {row.w:.1f} %, both {row.xw:.1f} %, {row.seconds:.0f} s'
    )
