# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera asks the classifier, which may be asked by several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mm_perception.objects.boxes import Box
from mm_perception.observation import Modality, Observation, Prediction

Trusted = Callable[[Modality], bool]
Answer = list[Prediction | None]
"""A prediction for each box; None for one in which no modality shows anything."""


@dataclass(frozen=True)
class ClassifierSettings:
    """What is made of a model's answer.

    Attributes:
        reject_unknown: Label ``unknown`` what is unlike anything learned, where the bundle can
            tell.

    """

    reject_unknown: bool = True


@dataclass(frozen=True)
class Request:
    """An observation of which a camera wants to know what it shows.

    Attributes:
        fresh: Gives what of it may be used now, and None once nothing may; called when the
            inference begins, and again should it begin again.
        boxes: Where the objects are; None: there is one, where the bundle says.
        trusted: Whether a sensor can be trusted now; asked time and again.
        settings: What is made of the answer.

    """

    fresh: Callable[[], Observation | None]
    boxes: Sequence[Box] | None
    trusted: Trusted
    settings: ClassifierSettings = ClassifierSettings()
