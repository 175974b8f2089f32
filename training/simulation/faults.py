# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Make a sensor fail: drop, freeze or blind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .kinect import Kinect, blind_depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .settings import Fault, FaultKind, Sensor

    Picture = NDArray[Any]


class FaultySensor:
    """One sensor of a recording, with what it remembers: its last good picture."""

    def __init__(self, sensor: Sensor, faults: Sequence[Fault], seed: Sequence[int]) -> None:
        self._sensor = sensor
        self._faults = [fault for fault in faults if fault.sensor == sensor]
        self._rng = np.random.default_rng(list(seed))
        self._kinect: Kinect | None = None
        self._last: Picture | None = None

    def sent(self, picture: Picture, seconds: float) -> Picture | None:
        """What the sensor sends of a picture taken at a time from the bag's start, if anything."""
        kind = self._kind(seconds)
        if kind == 'drop':
            return None
        if kind == 'blind':
            return self._blinded()
        if kind == 'freeze' and self._last is not None:
            return self._last
        self._last = picture
        return picture

    def _blinded(self) -> Picture:
        if self._sensor == 'depth':
            return blind_depth()
        self._kinect = self._kinect or Kinect(self._rng)
        return self._kinect.blind_colour(self._rng)

    def _kind(self, seconds: float) -> FaultKind | None:
        """The first fault given that holds at a time."""
        return next((f.kind for f in self._faults if f.start <= seconds < f.end), None)
