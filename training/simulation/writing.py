# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Write the pictures of takes into a bag, through sensors that may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mm_perception.errors import RecordingError

from .faults import FaultySensor
from .objects import key_of
from .recorder import IMAGE_TOPICS, Recorder
from .timing import moments, tick_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from .settings import Fault, SimulationSettings
    from .take import Pair

EPOCH = 1_767_225_600 * 10**9
"""Stamps begin after the first of January 2026, in ns."""


class Written(NamedTuple):
    """A bag that was written.

    Attributes:
        path: Its folder.
        first: When its first message was received, in ns from its first tick.
        last: When its last message was received, likewise.

    """

    path: Path
    first: int
    last: int


def write_bag(
    settings: SimulationSettings,
    path: Path,
    pairs: Iterable[tuple[str, Pair]],
    faults: Sequence[Fault],
    *,
    truth: bool = False,
    told: Callable[[int], None] = lambda _: None,
) -> Written:
    """Write pictures into one bag, one tick after the other.

    Args:
        settings: Rate, storage, seed.
        path: The bag's folder, not there yet.
        pairs: For each tick the label and the pictures.
        faults: The sensors' failures.
        truth: Whether to write the labels too.
        told: Called with the number of ticks written, after each.

    Raises:
        RecordingError: The bag cannot be written; nothing is left of it.

    """
    start = EPOCH + key_of(path.name) * 10**6
    seed = [settings.seed, key_of(path.name)]
    sensors = {sensor: FaultySensor(sensor, faults, seed) for sensor in IMAGE_TOPICS}
    received: list[int] = []
    try:
        with Recorder(path, settings.storage, truth=truth) as recorder:
            for tick, (label, pair) in enumerate(pairs):
                if truth:
                    received.append(tick_time(settings, tick))
                    recorder.truth(label, start + received[-1])
                for moment, sensor in moments(settings, seed, tick):
                    picture = pair.rgb if sensor == 'rgb' else pair.depth
                    sent = sensors[sensor].sent(picture, tick / settings.rate_hz)
                    if sent is not None:
                        received.append(moment.received)
                        recorder.image(sensor, sent, start + moment.stamp, start + moment.received)
                told(tick + 1)
    except OSError as error:
        raise RecordingError(
            f'{path}: cannot be written: {error.strerror or error}; '
            'make room or choose another folder'
        ) from error
    return Written(path, min(received, default=0), max(received, default=0))
