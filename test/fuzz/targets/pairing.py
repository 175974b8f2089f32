# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever arrives when: no label of a stale or bad frame, out of slop, or of one frame again.

Both sensors' messages in any order, with any stamps, on a clock that runs, stands still and is set
back or on, polled at any time. The label comes at once where a worker's thread would take its time.
A frame that went out alone may go out once more in the pair with which its partner comes back.
"""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from fuzz.reading import Provider

from mm_perception.errors import ImageError
from mm_perception.health import NS, HealthSettings, SensorHealth
from mm_perception.observation import Frame, Modality, Prediction
from mm_perception.pairing import PairingSettings
from mm_perception.serving.labelled import Labelled
from mm_perception.serving.watch import Watch
from mm_perception.serving.worker import PromptWorker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mm_perception.serving.request import Answer, Request

MS = 1_000_000
SLOP = 0.05
HELD = 40  # frames in memory at the most: both sensors' history, and those judged last
NOISE = np.random.default_rng(0).integers(40, 220, (64, 6 * 6 * 3), np.uint8)
BLACK = np.zeros(6 * 6 * 3, np.uint8)


class Witness(SensorHealth):
    """Remembers which frames were judged bad."""

    def inspect(self, frame: Frame, now: int) -> str | None:
        fault = super().inspect(frame, now)
        if fault is not None:
            self.refused.add(frame)
        return fault

    refused: WeakSet[Frame]


class Play:
    """A watch, its clock, and what it must never say."""

    def __init__(self) -> None:
        self.now = 1000 * NS
        self.said: WeakKeyDictionary[Frame, list[str]] = WeakKeyDictionary()
        classifier: Any = SimpleNamespace(modalities=tuple(Modality))
        self.watch = Watch(
            classifier,
            HealthSettings(),
            PairingSettings(SLOP),
            worker=PromptWorker(self._answer),
            clock=lambda: self.now,
            said=self._judge,
            failed=self._fail,
        )
        for sensor in self.watch._sensors.values():
            sensor.__class__ = Witness
            sensor.refused = WeakSet()

    def arrive(self, modality: Modality, stamp: int, pixels: np.ndarray) -> None:
        try:
            self.watch.see(modality, message(modality, stamp, pixels))
        except ImageError as error:
            if not isinstance(error.__cause__, ImageError) or pixels.size == BLACK.size:
                raise  # what is not the message's fault, a broken promise among it
        assert len(self.watch._arrivals) <= HELD

    def _answer(self, requests: Sequence[Request]) -> list[Answer | Exception]:
        (request,) = requests
        observation = request.fresh()
        assert observation is not None, 'stale since it came'
        assert all(request.trusted(modality) for modality in observation.frames), 'of a lost sensor'
        return [[Prediction(observation.stamp, observation.mode, 'mug', {'mug': 1.0})]]

    def _judge(self, labelled: Labelled) -> None:
        frames = labelled.observation.frames
        for modality, frame in frames.items():
            sensor = self.watch._sensors[modality]
            assert frame not in sensor.refused, 'of a frame that was judged bad'
            since, _ = self.watch._arrivals[frame]
            assert self.now - since <= sensor.timeout * NS, 'of a stale frame'
            modes = self.said.setdefault(frame, [])
            modes.append(labelled.observation.mode)
            assert modes in ([str(modality)], ['rgbd'], [str(modality), 'rgbd']), modes
        stamps = [frame.stamp for frame in frames.values()]
        assert max(stamps) - min(stamps) <= SLOP * NS, 'out of slop'

    def _fail(self, error: Exception) -> None:
        raise error


def message(modality: Modality, stamp: int, pixels: np.ndarray) -> Any:
    sec, nanosec = divmod(stamp, NS)
    depth = modality is Modality.DEPTH
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id='camera'),
        width=6,
        height=6,
        step=12 if depth else 18,
        is_bigendian=0,
        encoding='16UC1' if depth else 'rgb8',
        data=pixels,
    )


def target(data: bytes) -> None:
    """Five bytes an event: what and how, milliseconds since the last, and the stamp's lag."""
    play, source = Play(), Provider(data)
    picture = 0
    while source.left:
        what, passed, lag = source.take('<Bhh')
        scale = (MS, MS, MS, 100 * MS, NS, 1000 * NS, MS, 1)[what >> 5]
        if passed >= 0 or what >> 5 == 6:  # the clock is set back rarely, not every other time
            play.now += passed * (MS if what >> 5 < 5 else scale)
        kind = what >> 1 & 7
        if kind == 7:
            mode = play.watch.poll()
            assert mode in ('rgbd', 'rgb', 'depth', 'none')
            rest = play.watch.rest()
            assert rest is None or rest >= 0
            continue
        modality = Modality.DEPTH if what & 1 else Modality.RGB
        stamp = 0 if kind == 6 else play.now - lag * scale
        picture += kind != 5  # a frozen picture is the last one again
        pixels = BLACK if kind == 4 else NOISE[picture % len(NOISE)]
        play.arrive(modality, max(stamp, 0), pixels[:5] if kind == 3 else pixels)


def seeds() -> list[bytes]:
    def event(sensor: int, kind: int = 0, passed: int = 16, lag: int = 2, scale: int = 0) -> bytes:
        return struct.pack('<Bhh', sensor | kind << 1 | scale << 5, passed, lag)

    pair = event(0) + event(1, lag=5)
    polls = event(0, 7, 10) * 5
    return [
        pair * 12,
        pair * 6 + (event(0, passed=33) + polls) * 6 + pair * 4,
        pair * 6 + (event(1, passed=33) + polls) * 6 + pair * 4,
        pair * 4 + (event(0) + event(1, 4)) * 8 + polls + pair * 3,
        pair * 4 + (event(0, 5) + event(1)) * 8 + pair * 3,
        pair * 4 + event(0, 7, -30000, 0, 6) + pair * 6,
        (event(0) + event(1, lag=30, scale=3)) * 12 + polls * 3,
        (event(0, 6) + event(1, 6)) * 9,
        (event(0) + event(1, 3)) * 9,
    ]
