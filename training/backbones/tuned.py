# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Give a session backbones that were fine-tuned on its own labelled frames, and on no others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline, PipelineSettings
from training.backbones.files import learned_pipeline
from training.backbones.finetune import LabelledImages, fine_tune
from training.backbones.place import Place, refuse_company, running
from training.backbones.shown import Shown, shown
from training.features.dataset import Dataset, Source
from training.fitting.climb import UNLABELLED
from training.fitting.fit import TrainingData
from training.holdout import choose
from training.recipe import Recipe


def fine_tuned(
    pipeline: Pipeline,
    sources: Sequence[Source],
    train: Dataset,
    data: TrainingData,
    recipe: Recipe,
    place: Place,
) -> tuple[Pipeline, dict[Modality, Path]]:
    """Fine-tune a copy of each modality's backbone.

    Args:
        pipeline: With the backbones as they are.
        sources: The recordings.
        train: Their rows that train.
        data: The labels of those rows that are learned from.
        recipe: How.
        place: Where.

    Returns:
        The pipeline with the new backbones, and their weights files.

    Raises:
        MMPerceptionError: Weights that are nothing to tune, or labels that do not suffice.
        StoppedError: Ctrl-C; the same command goes on where it stopped.

    """
    assert recipe.finetune is not None  # noqa: S101 - who calls knows
    refuse_company('finetune', place)
    how = recipe.finetune.model_copy(update={'seed': recipe.seed})
    moments = list(shown(sources, _wanted(train, data), recipe))
    watched = held_out_recordings(moments, recipe.seed) if how.patience else frozenset()
    plain = pipeline.settings
    learned = {}
    for modality, spec in plain.backbones.items():
        teaching, telling = (
            _images([each for each in moments if (each.recording in watched) is side], modality,
                    data.classes, plain)
            for side in (False, True)
        )  # fmt: skip
        with running(f'fine-tuning, {modality}', place) as run:
            learned[modality] = tuned = fine_tune(
                spec,
                place.learned.get(modality, place.backbone_weights),
                teaching,
                how,
                run,
                place.cache.parent / 'fine_tuned',
                telling if watched else None,
            )
        by = f'; stopped by {", ".join(sorted(watched))}' if watched else ''
        place.console.print(
            f'{spec.name}, {modality}: {"found" if tuned.reused else "fine-tuned"}, '
            f'{tuned.accuracy:.1%} of its {len(teaching.labels)} labelled frames right{by}'
        )
    new = learned_pipeline(plain, learned, place.backbone_weights)
    new.to(pipeline.device)
    return new, {modality: each.path for modality, each in learned.items()}


def held_out_recordings(moments: Sequence[Shown], seed: int) -> frozenset[str]:
    """Choose recordings to stop by: one of each class that has others to learn from.

    Returns:
        Their names; none where they would show a single class, which any network can tell.

    """
    recordings: dict[int, set[str]] = defaultdict(set)
    for each in moments:
        recordings[each.number].add(each.recording)
    by_class = [names for _, names in sorted(recordings.items())]
    chosen = choose(by_class, lambda _: 1, seed)
    told = [names for names in by_class if names & chosen]
    return chosen if len(told) > 1 else frozenset()


def _wanted(train: Dataset, data: TrainingData) -> dict[str, dict[int, int]]:
    """Give the class of each labelled row, by recording and time."""
    places = [(rows.recording, int(time)) for rows in train.rows for time in rows.times]
    wanted: dict[str, dict[int, int]] = defaultdict(dict)
    for (recording, time), label in zip(places, data.labels.tolist(), strict=True):
        if label != UNLABELLED:
            wanted[recording][time] = label
    return dict(wanted)


def _images(
    moments: Sequence[Shown],
    modality: Modality,
    classes: tuple[str, ...],
    settings: PipelineSettings,
) -> LabelledImages:
    size = settings.preprocessing.size
    images = [each.images[modality] for each in moments]

    return LabelledImages(
        np.stack(images) if images else np.empty((0, size, size, 3), np.uint8),
        torch.tensor([each.number for each in moments], dtype=torch.long),
        classes,
        lambda row: moments[row].anew(modality, settings),
    )
