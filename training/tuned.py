# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Give a session backbones that were fine-tuned on its own labelled frames, and on no others."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from mm_perception.errors import ImageError, SettingsError
from mm_perception.objects.boxes import Box
from mm_perception.objects.finding import finder_for
from mm_perception.observation import Modality, Observation
from mm_perception.pipeline import Image, Pipeline, PipelineSettings
from mm_perception.preprocessing import depth_input, rgb_input
from mm_perception.regions import crop, find_region
from training.augmentation import Augmentation
from training.climb import UNLABELLED, Progress, Run
from training.dataset import Dataset, Source
from training.distributed import Ranks
from training.finetune import LabelledImages, fine_tune
from training.fit import TrainingData
from training.interrupt import stoppable
from training.progress import progress_bars
from training.recipe import Recipe

Views = Mapping[Modality, NDArray[Any]]
"""What the sensors gave of the object: colour, and depth in metres."""

_INPUTS: dict[Modality, Callable[..., Image]] = {
    Modality.RGB: rgb_input,
    Modality.DEPTH: depth_input,
}


@dataclass(frozen=True)
class Shown:
    """One labelled frame.

    Attributes:
        recording: Where it is from.
        label: Its class's number.
        views: Of every modality.
        images: The networks' input made of them.

    """

    recording: str
    label: int
    views: Views
    images: Mapping[Modality, Image]


class Place(Protocol):
    """Where the fine-tuning is done: a session's setting."""

    @property
    def backbone_weights(self) -> Path | None:
        """The backbones' weights file; None takes ImageNet's from the torch cache."""

    @property
    def cache(self) -> Path:
        """The folder that keeps features; what is fine-tuned is put beside it."""

    @property
    def device(self) -> torch.device:
        """Where to compute."""

    @property
    def ranks(self) -> Ranks:
        """The processes that train together."""

    @property
    def console(self) -> Console:
        """Where it speaks."""


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
    if place.ranks.size > 1:
        raise SettingsError(
            'finetune: is done by one process; train with one, or give the weights that one made'
        )
    how = recipe.finetune.model_copy(update={'seed': recipe.seed})
    shown = list(_shown(sources, _wanted(train, data), recipe))
    watched = held_out_recordings(shown, recipe.seed) if how.patience else frozenset()
    plain = recipe.pipeline
    files, specs = {}, {}
    for modality, spec in plain.backbones.items():
        teaching, telling = (
            _images([each for each in shown if (each.recording in watched) is side], modality,
                    data.classes, plain)
            for side in (False, True)
        )  # fmt: skip
        with _running(f'fine-tuning, {modality}', place) as run:
            tuned = fine_tune(
                spec,
                place.backbone_weights,
                teaching,
                how,
                run,
                place.cache.parent / 'fine_tuned',
                telling if watched else None,
            )
        files[modality], specs[modality] = tuned.path, tuned.settings(spec)
        by = f'; stopped by {", ".join(sorted(watched))}' if watched else ''
        place.console.print(
            f'{spec.name}, {modality}: {"found" if tuned.reused else "fine-tuned"}, '
            f'{tuned.accuracy:.1%} of its {len(teaching.labels)} labelled frames right{by}'
        )
    new = Pipeline(plain.model_copy(update={'backbones': specs}), files)
    new.to(pipeline.device)
    return new, files


@contextmanager
def _running(title: str, place: Place) -> Iterator[Run]:
    """Show a training's progress, and let Ctrl-C stop it."""
    with progress_bars(place.console) as bars, stoppable() as stopping:
        task = bars.add_task(title, total=None)

        def report(progress: Progress) -> None:
            bars.update(task, total=progress.total, completed=progress.done)

        yield Run(place.device, report=report, stopping=stopping)


def held_out_recordings(shown: Sequence[Shown], seed: int) -> frozenset[str]:
    """Choose recordings to stop by: one of each class that has others to learn from.

    Returns:
        Their names; none where they would show a single class, which any network can tell.

    """
    recordings: dict[int, set[str]] = defaultdict(set)
    for each in shown:
        recordings[each.label].add(each.recording)
    chooser = random.Random(seed)
    chosen: set[str] = set()
    for _, names in sorted(recordings.items()):
        spare = [name for name in sorted(names) if _can_go(name, chosen, recordings.values())]
        if spare and not names & chosen:
            chosen.add(chooser.choice(spare))
    classes = [label for label, names in recordings.items() if names & chosen]
    return frozenset(chosen if len(classes) > 1 else ())


def _can_go(name: str, gone: Collection[str], recordings: Collection[set[str]]) -> bool:
    """Whether every class keeps a recording to learn from."""
    return all(names - {*gone, name} for names in recordings)


def _wanted(train: Dataset, data: TrainingData) -> dict[str, dict[int, int]]:
    """Give the class of each labelled row, by recording and time."""
    places = [(rows.recording, int(time)) for rows in train.rows for time in rows.times]
    wanted: dict[str, dict[int, int]] = defaultdict(dict)
    for (recording, time), label in zip(places, data.labels.tolist(), strict=True):
        if label != UNLABELLED:
            wanted[recording][time] = label
    return dict(wanted)


def _shown(
    sources: Sequence[Source], wanted: Mapping[str, Mapping[int, int]], recipe: Recipe
) -> Iterator[Shown]:
    """Read the labelled frames; no other recording is opened."""
    for source in sources:
        labels = wanted.get(source.name)
        if not labels:
            continue
        finder = finder_for('bundle', recipe.pipeline.region)
        for time, observation in source.observations(recipe.every):
            box = None
            with suppress(ImageError):  # no object: then this frame has no row, and no label
                box = finder.main(observation) if finder else None
            if time in labels:
                views = _views(observation, recipe.pipeline, box)
                images = {modality: _input(modality, views, recipe.pipeline) for modality in views}
                yield Shown(source.name, labels[time], views, images)


def _views(
    observation: Observation, settings: PipelineSettings, box: Box | None
) -> dict[Modality, NDArray[Any]]:
    """Cut the object out, into memory of its own: the whole pictures need not stay."""
    frames = ((m, observation.frames[m]) for m in settings.modalities)
    return {
        m: crop(frame.image, find_region(settings.region, frame, box)).copy() for m, frame in frames
    }


def _input(modality: Modality, views: Views, settings: PipelineSettings) -> Image:
    return _INPUTS[modality](views[modality], settings.preprocessing)


def _images(
    shown: Sequence[Shown],
    modality: Modality,
    classes: tuple[str, ...],
    settings: PipelineSettings,
) -> LabelledImages:
    size = settings.preprocessing.size
    images = [each.images[modality] for each in shown]

    def anew(row: int) -> Image:
        try:
            return _input(modality, Augmentation.draw()(shown[row].views), settings)
        except ImageError:  # the part that was left has not one distance
            return images[row]

    return LabelledImages(
        np.stack(images) if images else np.empty((0, size, size, 3), np.uint8),
        torch.tensor([each.label for each in shown], dtype=torch.long),
        classes,
        anew,
    )
