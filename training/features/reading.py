# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recording becomes batches of what the networks take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mm_perception.errors import ImageError
from mm_perception.objects.finding import ObjectFinder, finder_for
from mm_perception.observation import Modality, Observation
from mm_perception.pipeline import Image, PipelineSettings, prepare

if TYPE_CHECKING:
    from training.features.dataset import Source

THUMBNAIL = 72
"""Pixels; enough to tell on a report's sheet what was shown."""
_BATCH = 16


@dataclass(frozen=True)
class Batch:
    """Observations of all modalities that follow one another.

    Attributes:
        times: Of N observations, ns; the last of a recording's batches may have none.
        images: [N, size, size, 3] by modality, the networks' input.
        thumbnails: [N, t, t, 3] by modality.
        skipped: How many observations between them lacked a modality.

    """

    times: tuple[int, ...] = ()
    images: Mapping[Modality, Image] = field(default_factory=dict)
    thumbnails: Mapping[Modality, Image] = field(default_factory=dict)
    skipped: int = 0


@dataclass(frozen=True)
class Reading:
    """What to read, and how.

    Attributes:
        source: The recording.
        every: Take every n-th observation.
        settings: How observations are prepared.

    """

    source: Source
    every: int
    settings: PipelineSettings

    @property
    def name(self) -> str:
        """The recording's."""
        return self.source.name

    def __iter__(self) -> Iterator[Batch]:
        """Read the recording.

        Raises:
            RecordingError, ImageError: It cannot be read.

        """
        taken: list[tuple[int, dict[Modality, Image]]] = []
        skipped = 0
        finder = finder_for('bundle', self.settings.region)
        for time, observation in self.source.observations(self.every):
            images = self._prepared(observation, finder)
            if images is None:
                skipped += 1
                continue
            taken.append((time, images))
            if len(taken) == _BATCH:
                yield _batch(taken, skipped)
                taken, skipped = [], 0
        if taken:
            yield _batch(taken, skipped)
        elif skipped:
            yield Batch(skipped=skipped)

    def _prepared(
        self, observation: Observation, finder: ObjectFinder | None
    ) -> dict[Modality, Image] | None:
        """Prepare it, if it shows something in every modality."""
        try:
            box = finder.main(observation) if finder else None
            images = prepare(observation, self.settings, box)
        except ImageError:  # no modality shows anything, or there is no object
            return None
        return images if images.keys() >= set(self.settings.modalities) else None


def _batch(taken: list[tuple[int, dict[Modality, Image]]], skipped: int) -> Batch:
    images = {m: np.stack([each[m] for _, each in taken]) for m in taken[0][1]}
    thumbnails = {m: _thumbnails(stack) for m, stack in images.items()}
    return Batch(tuple(time for time, _ in taken), images, thumbnails, skipped)


def _thumbnails(images: Image) -> Image:
    size = (THUMBNAIL, THUMBNAIL)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return np.stack(small).astype(np.uint8, copy=False)
