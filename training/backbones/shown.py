# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What backbones learn from: moments of recordings, as the sensors and as the networks saw them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from mm_perception.errors import ImageError
from mm_perception.objects.boxes import Box
from mm_perception.objects.finding import finder_for
from mm_perception.observation import Modality, Observation
from mm_perception.pipeline import Image, PipelineSettings
from mm_perception.preprocessing import depth_input, rgb_input
from mm_perception.regions import crop, find_region
from training.features.augmentation import Augmentation
from training.features.dataset import Source
from training.recipe import Recipe

Views = Mapping[Modality, NDArray[Any]]
"""What the sensors gave of the object: colour, and depth in metres."""

_INPUTS: dict[Modality, Callable[..., Image]] = {
    Modality.RGB: rgb_input,
    Modality.DEPTH: depth_input,
}


@dataclass(frozen=True)
class Shown:
    """One moment.

    Attributes:
        recording: Where it is from.
        number: What it was asked for by: its class's number, or its row's.
        views: Of every modality that was asked for.
        images: The networks' input made of them.

    """

    recording: str
    number: int
    views: Views
    images: Mapping[Modality, Image]

    def anew(self, modality: Modality, settings: PipelineSettings) -> Image:
        """Give the input as it might have been; drawn with torch's own random state."""
        change = Augmentation.draw()
        if change.turned:
            settings = _turned(settings)
        try:
            return _input(modality, change(self.views), settings)
        except ImageError:  # the part that was left has not one distance
            return self.images[modality]


def shown(
    sources: Sequence[Source],
    wanted: Mapping[str, Mapping[int, int]],
    recipe: Recipe,
    modalities: Collection[Modality] | None = None,
) -> Iterator[Shown]:
    """Read some moments of recordings; a recording of which none is wanted is not opened.

    Args:
        sources: The recordings.
        wanted: The moments' numbers, by recording and time in ns.
        recipe: How often, where in the picture, and what the networks see of it.
        modalities: Those to keep; None: all of the pipeline's.

    """
    settings = recipe.pipeline
    kept = settings.modalities if modalities is None else tuple(modalities)
    for source in sources:
        numbers = wanted.get(source.name)
        if not numbers:
            continue
        finder = finder_for('bundle', settings.region)
        for time, observation in source.observations(recipe.every):
            box = None
            with suppress(ImageError):  # no object: then this moment has no row
                box = finder.main(observation) if finder else None
            if time in numbers:
                views = _views(observation, settings, kept, box)
                images = {modality: _input(modality, views, settings) for modality in kept}
                yield Shown(source.name, numbers[time], views, images)


def _turned(settings: PipelineSettings) -> PipelineSettings:
    """Let gravity that is given pull a picture that is turned over to its other side."""
    given = settings.preprocessing
    if given.gravity is None:
        return settings
    right, down, forward = given.gravity
    turned = given.model_copy(update={'gravity': (-right, down, forward)})
    return settings.model_copy(update={'preprocessing': turned})


def _views(
    observation: Observation,
    settings: PipelineSettings,
    modalities: Collection[Modality],
    box: Box | None,
) -> Views:
    """Cut the object out, into memory of its own: the whole pictures need not stay."""
    frames = ((m, observation.frames[m]) for m in modalities)
    return {
        m: crop(frame.image, find_region(settings.region, frame, box)).copy() for m, frame in frames
    }


def _input(modality: Modality, views: Views, settings: PipelineSettings) -> Image:
    return _INPUTS[modality](views[modality], settings.preprocessing)
