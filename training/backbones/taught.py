# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Give a session a depth backbone that RGB's taught, on all pairs that train, labelled or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline
from training.backbones.files import learned_pipeline
from training.backbones.place import Place, refuse_company, running
from training.backbones.shown import shown
from training.backbones.teaching import Pairs, teach
from training.features.dataset import Dataset, Source
from training.fitting.joined import Joined
from training.recipe import Recipe

TEACHER, STUDENT = Modality.RGB, Modality.DEPTH


def taught(
    pipeline: Pipeline, sources: Sequence[Source], train: Dataset, recipe: Recipe, place: Place
) -> tuple[Pipeline, dict[Modality, Path]]:
    """Teach a copy of the student's backbone.

    Args:
        pipeline: With the backbones as they are.
        sources: The recordings.
        train: Their rows that train; the teacher's features are theirs.
        recipe: How.
        place: Where.

    Returns:
        The pipeline with the new backbone, and its weights file.

    Raises:
        MMPerceptionError: Weights that have nothing to teach, or pairs that do not suffice.
        StoppedError: Ctrl-C; the same command goes on where it stopped.

    """
    assert recipe.teaching is not None  # noqa: S101 - who calls knows
    refuse_company('teaching', place)
    how = recipe.teaching.model_copy(update={'seed': recipe.seed})
    plain = pipeline.settings
    pairs = _pairs(sources, train, recipe, how.pairs)
    spec = plain.backbones[STUDENT]
    with running(f'{TEACHER} teaches {STUDENT}', place) as run:
        learned = teach(
            spec, place.backbone_weights, pairs, how, run, place.cache.parent / 'fine_tuned'
        )
    place.console.print(
        f'{spec.name}, {STUDENT}: {"found" if learned.reused else "taught"} by {TEACHER}, '
        f'{learned.recognised:.1%} of its {len(pairs)} pairs know their recording by what '
        f'{TEACHER} says of it'
    )
    new = learned_pipeline(plain, {STUDENT: learned}, place.backbone_weights)
    new.to(pipeline.device)
    return new, {STUDENT: learned.path}


def _pairs(sources: Sequence[Source], train: Dataset, recipe: Recipe, most: int) -> Pairs:
    """Read what the student sees of the rows, or of as many of them, evenly over all."""
    names = [rows.recording for rows in train.rows for _ in rows.times]
    times = [int(time) for rows in train.rows for time in rows.times]
    chosen = np.unique(np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int))
    wanted: dict[str, dict[int, int]] = defaultdict(dict)
    for row in chosen.tolist():
        wanted[names[row]][times[row]] = row
    moments = list(shown(sources, wanted, recipe, [STUDENT]))
    rows = [moment.number for moment in moments]
    features = Joined([each.features[str(TEACHER)] for each in train.rows])
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    size = recipe.pipeline.preprocessing.size
    images = [moment.images[STUDENT] for moment in moments]
    return Pairs(
        np.stack(images) if images else np.empty((0, size, size, 3), np.uint8),
        features[torch.tensor(rows, dtype=torch.long)],
        torch.tensor([numbers[names[row]] for row in rows]),
        torch.tensor([times[row] for row in rows]),
        lambda row: moments[row].anew(STUDENT, recipe.pipeline),
    )
