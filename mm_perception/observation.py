# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The nouns everyone speaks: Modality, Frame, Observation, Prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mm_perception.depth.registration import Intrinsics

UNKNOWN = 'unknown'
"""No class may be called so: it is kept for what resembles nothing learned."""

NO_MODE = 'none'
"""The mode in which no sensor can be used, and no label is given."""


class Modality(str, Enum):
    """One of the camera's two eyes."""

    RGB = 'rgb'
    DEPTH = 'depth'

    def __str__(self) -> str:
        return self.value


def mode_of(modalities: Iterable[Modality]) -> str:
    """Name the mode of these modalities: ``rgbd``, ``rgb``, ``depth`` or ``none``."""
    present = set(modalities)
    if len(present) > 1:
        return 'rgbd'
    return str(present.pop()) if present else NO_MODE


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of one modality.

    Attributes:
        modality: The sensor it came from.
        stamp: Time of capture in nanoseconds.
        frame_id: The optical frame's name, as the driver gave it.
        image: RGB is H×W×3 uint8, R first. Depth is H×W float32 in metres, NaN where unknown
            (REP 118), whatever the driver sent. May be a read-only view of the message.
        camera: From the sensor's camera_info; None when none has come.

    """

    modality: Modality
    stamp: int
    frame_id: str
    image: NDArray[np.uint8] | NDArray[np.float32]
    camera: Intrinsics | None = None


@dataclass(frozen=True, eq=False)
class Observation:
    """What the camera saw at one moment: a frame for each modality present.

    Attributes:
        stamp: The time in nanoseconds of its newest frame.
        frames: At least one frame, by modality.

    """

    stamp: int
    frames: Mapping[Modality, Frame]

    @property
    def mode(self) -> str:
        """``rgbd``, ``rgb`` or ``depth``."""
        return mode_of(self.frames)

    @classmethod
    def of(cls, *frames: Frame) -> Observation:
        """Join frames of different modalities, the newest stamp being the observation's."""
        return cls(
            max(frame.stamp for frame in frames), {frame.modality: frame for frame in frames}
        )


@dataclass(frozen=True)
class Prediction:
    """What the classifier says of one observation.

    Attributes:
        stamp: The observation's stamp in nanoseconds.
        mode: The modalities it was made from: ``rgbd``, ``rgb`` or ``depth``.
        label: The most probable class; ``unknown`` where the object is unlike anything learned.
        probabilities: Every class with its probability, in the bundle's class order; they sum to 1.
        novelty: How unlike anything learned the object is, in multiples of the bundle's threshold:
            over 1 is unknown. None where the bundle has none.
        contradiction: How far the two eyes disagree, likewise: over 1 they do. None from one eye.
        took: Milliseconds by stage, in their order: ``prepare``, the features of each modality
            (which overlap where an engine computes them at once), and ``classify``, which on a GPU
            waits for the features, too. Where all of it is one piece of a GPU's work, ``classify``
            is that.

    """

    stamp: int
    mode: str
    label: str
    probabilities: Mapping[str, float]
    novelty: float | None = None
    contradiction: float | None = None
    took: Mapping[str, float] = field(default_factory=dict, compare=False)

    @property
    def confidence(self) -> float:
        """The greatest class probability, whatever the label."""
        return max(self.probabilities.values())
