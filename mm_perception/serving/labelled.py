# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What was seen, with what was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mm_perception.objects.finding import LabelledObject
from mm_perception.observation import Frame, Modality, Observation, Prediction


class Received(NamedTuple):
    """An image as it came.

    Attributes:
        time: When, in ns of the node's clock.
        message: The image message itself.
        camera_info: The camera's last message before it; None when none has come.

    """

    time: int
    message: Any
    camera_info: Any


@dataclass(frozen=True)
class Labelled:
    """An observation with what was said of it.

    Attributes:
        observation: What was seen.
        prediction: What was said; of several objects, of the main one. None where no object is.
        latency: Milliseconds from the arrival of the newest image to the label.
        inference: Milliseconds of that spent in finding objects and in the classifier.
        objects: All that were found and labelled, the main one first; None where none are sought.
        received: What the observation's frames were made of.

    """

    observation: Observation
    prediction: Prediction | None
    latency: float
    inference: float
    objects: tuple[LabelledObject, ...] | None = None
    received: Mapping[Modality, Received] = field(default_factory=dict)

    @property
    def used(self) -> list[Frame]:
        """The frames that the labels were made from, the newest last.

        Fewer than the observation has when one of them shows nothing where the objects are.
        """
        said = [each.prediction for each in self.objects or ()]
        modes = {p.mode for p in (self.prediction, *said) if p is not None}
        frames = self.observation.frames.values()
        used = [f for f in frames if not modes or modes & {'rgbd', str(f.modality)}]
        return sorted(used, key=lambda frame: frame.stamp)

    @property
    def picture(self) -> Frame:
        """The frame whose header messages have, and in whose pixels boxes are given.

        Colour's where it was used, else depth's.
        """
        return min(self.used, key=lambda frame: frame.modality is not Modality.RGB)
