# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Two streams of frames become observations: a pair, or a single when its partner does not come.

A frame waits for its partner only while the partner's sensor is not lost, and is of no use to a
partner that comes when it is stale itself. Nothing here reads a
clock: every call is told the time, on the robot the node's clock, in training the bag's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from mm_perception.health import NS, SensorHealth
from mm_perception.observation import Frame, Modality, Observation, mode_of

_HISTORY = 8  # frames kept a sensor: a partner that lags by more than this many is no partner


@dataclass(frozen=True)
class PairingSettings:
    """How frames become pairs.

    Attributes:
        slop: The greatest distance in seconds between the stamps of a pair.

    """

    slop: float = 0.05


class Pairing:
    """Joins the frames of all sensors, the preferred one first in the mapping."""

    def __init__(self, settings: PairingSettings, sensors: Mapping[Modality, SensorHealth]) -> None:
        self.settings = settings
        self.sensors = sensors
        self._frames: dict[Modality, deque[Frame]] = {
            modality: deque(maxlen=_HISTORY) for modality in sensors
        }
        self._arrivals: WeakKeyDictionary[Frame, int] = WeakKeyDictionary()
        self._singles: dict[Modality, Frame] = {}  # the last of each that went out alone
        self._last_out: int | None = None  # when the last observation went out
        self._apart: float | None = None  # seconds between stamps that never come together

    @property
    def apart(self) -> float | None:
        """How many seconds the sensors' stamps lie apart when all live but none pair, else None."""
        return self._apart

    def mode(self, now: int) -> str:
        """The mode of the observations that go out now: ``rgbd``, ``rgb``, ``depth``, ``none``."""
        return mode_of(self._usable(now))

    def add(self, frame: Frame, now: int) -> Observation | None:
        """Take a frame that has just arrived.

        Args:
            frame: The frame; an unusable one is as if it had not come.
            now: Time of arrival in ns.

        Returns:
            An observation if the frame completes a pair, or if a single is due.

        """
        if self.sensors[frame.modality].inspect(frame, now) is not None:
            return self.poll(now)
        frames = self._frames[frame.modality]
        if frames and frame.stamp < frames[-1].stamp:
            frames.clear()  # health lets a stamp go back only when the clock was set back
        frames.append(frame)
        self._arrivals[frame] = now
        self._forget_stale(now)
        partners = [self._partner(frame, m) for m in self.sensors if m is not frame.modality]
        found = [partner for partner in partners if partner is not None]
        if len(found) == len(partners):
            return self._pair(frame, *found, now=now)
        return self.poll(now)

    def poll(self, now: int) -> Observation | None:
        """Let a single go out whose partner did not come in time; call this every few ms."""
        if self._last_out is None or self._last_out > now:
            self._last_out = now
        usable = self._usable(now)
        if not usable or (len(usable) == len(self.sensors) and not self._never_pairs(now)):
            return None
        frames = self._frames[usable[0]]
        if not frames or frames[-1] is self._singles.get(usable[0]):
            return None
        self._singles[usable[0]] = frames[-1]
        self._last_out = now
        return Observation.of(frames[-1])

    def _usable(self, now: int) -> list[Modality]:
        """The modalities that labels can be made of; of sensors that never pair only the first."""
        usable = [m for m, sensor in self.sensors.items() if not sensor.is_lost(now)]
        for modality, frames in self._frames.items():
            if modality not in usable:
                frames.clear()  # what a lost sensor saw is stale
        self._forget_stale(now)
        return usable if self._apart is None else usable[:1]

    def _forget_stale(self, now: int) -> None:
        for modality, frames in self._frames.items():
            sensor = self.sensors[modality]
            while frames and sensor.is_stale(self._arrivals[frames[0]], now):
                frames.popleft()

    def _never_pairs(self, now: int) -> bool:
        """Whether all sensors live, but their stamps have not come together for too long."""
        newest = [frames[-1].stamp for frames in self._frames.values() if frames]
        patience = max(sensor.timeout for sensor in self.sensors.values())
        waited = self._last_out is not None and now - self._last_out > patience * NS
        if waited and len(newest) == len(self.sensors):
            self._apart = (max(newest) - min(newest)) / NS
        return self._apart is not None

    def _partner(self, frame: Frame, modality: Modality) -> Frame | None:
        """The nearest frame of another modality, unless none is near or a nearer one is due."""
        frames = self._frames[modality]
        if not frames:
            return None
        nearest = min(frames, key=lambda other: abs(other.stamp - frame.stamp))
        distance = abs(nearest.stamp - frame.stamp)
        if distance > self.settings.slop * NS:
            return None
        due = frames[-1].stamp + round(self.sensors[modality].period * NS)
        return None if abs(due - frame.stamp) < distance else nearest

    def _pair(self, *frames: Frame, now: int) -> Observation:
        for frame in frames:
            waiting = self._frames[frame.modality]
            while waiting and waiting[0].stamp <= frame.stamp:
                waiting.popleft()
        self._apart = None
        self._last_out = now
        return Observation.of(*frames)
