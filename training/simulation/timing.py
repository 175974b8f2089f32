# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""When a picture is stamped, and when it is received."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .settings import Sensor, SimulationSettings

MILLISECOND = 10**6
JITTER = 2 * MILLISECOND
"""A stamp is up to this many ns early or late."""
DELAY: dict[Sensor, int] = {'rgb': 0, 'depth': 5 * MILLISECOND}
"""A sensor's stamp is this many ns after the tick, on the average."""
TRANSPORT = (8 * MILLISECOND, 14 * MILLISECOND)
"""A message is received between so many ns after its stamp."""
MIDDLE = 10 * MILLISECOND
"""Half way from the earliest stamp to the latest reception of a tick, in ns after it."""


class Moment(NamedTuple):
    """When a picture is stamped and received, in ns from the recording's first tick."""

    stamp: int
    received: int


def tick_time(settings: SimulationSettings, tick: float) -> int:
    """When a tick is due, in ns from the first."""
    return round(tick * 10**9 / settings.rate_hz)


def moments(
    settings: SimulationSettings, seed: Sequence[int], tick: int
) -> list[tuple[Moment, Sensor]]:
    """When each sensor's picture of a tick is stamped and received, in the order of reception."""
    rng = np.random.default_rng([*seed, tick])
    drawn: list[tuple[Moment, Sensor]] = []
    for sensor, delay in DELAY.items():
        stamp = tick_time(settings, tick) + delay + int(rng.integers(-JITTER, JITTER))
        drawn.append((Moment(stamp, stamp + int(rng.integers(*TRANSPORT))), sensor))
    return sorted(drawn, key=lambda item: item[0].received)
