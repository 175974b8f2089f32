# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Stretches of a recording in which a sensor is to be silent, as a camera that is unplugged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mm_perception.errors import SettingsError
from mm_perception.health import NS
from mm_perception.observation import Modality


@dataclass(frozen=True)
class Loss:
    """One sensor's silence.

    Attributes:
        modality: The sensor.
        start: Its first silent moment, in seconds from the recording's start.
        end: Its first moment after that at which it sends again.

    """

    modality: Modality
    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end < math.inf:
            raise SettingsError(
                f'lose {self.modality} {self.start:g} {self.end:g}: is refused; '
                'give a start of 0 or more seconds and a later end'
            )

    @classmethod
    def parse(cls, words: Sequence[str]) -> Loss:
        """Read ``depth 6 10``.

        Raises:
            SettingsError: The sensor's name or a time is not one.

        """
        text = ' '.join(words)
        try:
            modality, start, end = words
            return cls(Modality(modality), float(start), float(end))
        except ValueError as error:
            sensors = ' or '.join(Modality)
            raise SettingsError(
                f'lose {text}: is refused; give {sensors}, then start and end in seconds'
            ) from error


def is_silent(losses: Iterable[Loss], modality: Modality | None, bag_time: int) -> bool:
    """Tell whether a sensor is silent at a time in ns from the recording's start."""
    return any(
        loss.modality is modality and loss.start * NS <= bag_time < loss.end * NS for loss in losses
    )
