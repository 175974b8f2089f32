# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One take of one object, and the pictures that it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .kinect import Kinect
from .objects import key_of, make_object
from .render import Stage
from .scene import Light, Room, Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from .settings import SimulationSettings


class Pair(NamedTuple):
    """The pictures of one tick.

    Attributes:
        rgb: (480, 640, 3) colour.
        depth: (480, 640) millimetres, 0 where unknown.

    """

    rgb: NDArray[np.uint8]
    depth: NDArray[np.uint16]


class Take(NamedTuple):
    """What tells one take from another.

    Attributes:
        category: The kind of object.
        instance: Which of its kind.
        number: Takes of one instance with different numbers differ in room, light and walk.

    """

    category: str
    instance: int
    number: int = 0


def pictures(settings: SimulationSettings, take: Take, ticks: Iterable[int]) -> Iterator[Pair]:
    """Give the pictures of some ticks of a take.

    A picture depends on nothing but the settings, the take and its tick, so that any process may
    make any part of a take.
    """
    seed = [settings.seed, key_of(take.category), take.instance, take.number]
    thing = make_object(take.category, take.instance, settings.seed)
    rng = np.random.default_rng(seed)
    stage = Stage(thing, Room.of(rng), Light.of(rng))
    walk = Walk.of(rng, settings, thing)
    kinect = Kinect(rng)
    for tick in ticks:
        seconds = tick / settings.rate_hz
        light, distance = stage.picture(walk.view(seconds), seconds)
        yield Pair(*kinect.sense(light, distance, np.random.default_rng([*seed, tick])))
