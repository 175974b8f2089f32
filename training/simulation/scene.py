# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What surrounds an object in one recording: its table and room, the light, the camera's walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from .camera import FOCAL, HEIGHT, View
from .paint import hsv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .objects import HouseholdObject
    from .settings import SimulationSettings

    Array = NDArray[np.float64]
    Image = NDArray[np.float32]

TEXTURE = 512
"""Side of the table's and the floor's texture, in pixels."""
FLOOR = -0.74
"""Height of the floor below the table's top, in metres."""


def _grain(rng: np.random.Generator, rows: int, columns: int) -> Image:
    """Smooth noise in [0, 1]: a small random picture enlarged. (TEXTURE, TEXTURE)."""
    coarse = rng.random((rows, columns), np.float32)
    fine = cv2.resize(coarse, (TEXTURE, TEXTURE), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine, np.float32)


def _mixed(first: Image, second: Image, share: NDArray[np.floating[Any]]) -> Image:
    """Blend two colours, or textures, by a share a pixel. (TEXTURE, TEXTURE, 3)."""
    mixed: Image = first + (second - first) * np.clip(share, 0, 1)[..., None]
    return mixed.astype(np.float32)


def _table_texture(rng: np.random.Generator) -> Image:
    """A table top: planks of wood, plain laminate, checked cloth or mottled stone."""
    kind = rng.integers(4)
    if kind == 0:
        wood = hsv(rng.uniform(0.05, 0.1), rng.uniform(0.25, 0.5), rng.uniform(0.5, 0.72))
        return _mixed(wood, wood * 0.55, 0.7 * _grain(rng, 90, 5) + 0.3 * _grain(rng, 300, 9) - 0.2)
    if kind == 1:
        laminate = hsv(rng.uniform(0, 1), rng.uniform(0, 0.12), rng.uniform(0.55, 0.8))
        return _mixed(laminate, laminate * 0.85, _grain(rng, 6, 6))
    if kind == 2:  # noqa: PLR2004 - the third kind
        cloth = hsv(rng.uniform(0, 1), rng.uniform(0.05, 0.25), rng.uniform(0.6, 0.8))
        wave = np.sin(np.arange(TEXTURE) * 2 * np.pi / rng.uniform(18, 34))
        stripes = (wave > 0).astype(np.float32)
        checks = (stripes[:, None] + stripes[None]) * np.float32(rng.uniform(0.1, 0.3))
        return _mixed(cloth, cloth * 0.5, checks + 0.15 * _grain(rng, 256, 256))
    stone = hsv(rng.uniform(0, 1), rng.uniform(0, 0.1), rng.uniform(0.5, 0.7))
    return _mixed(stone, stone * 0.55, 0.5 * _grain(rng, 40, 40) + 0.5 * _grain(rng, 170, 170))


FRONT = -90
"""Degrees about z from where an object is seen best: handles and visors point along x."""


@dataclass(frozen=True, eq=False)
class Room:
    """The table's top at z = 0, the floor below it, four plain walls.

    Attributes:
        table: (TEXTURE, TEXTURE, 3) albedo of the table's top.
        centre: (2,) middle of the table in metres; the object stands at the origin.
        half: (2,) half sides of the table in metres.
        floor: (TEXTURE, TEXTURE, 3) albedo of six by six metres of floor.
        wall: (3,) albedo of the walls.
        walls: Distance of the walls from the origin: +x, -x, +y, -y, in metres.

    """

    table: Image
    centre: Array
    half: Array
    floor: Image
    wall: Image
    walls: Array

    @property
    def table_frame(self) -> tuple[Array, Array, Array]:
        """The table texture's corner, and its steps a column and a row, in the world."""
        side = 2 * self.half / TEXTURE
        corner = np.array([*(self.centre - self.half), 0])
        return corner, np.array([side[0], 0, 0]), np.array([0, side[1], 0])

    @property
    def floor_frame(self) -> tuple[Array, Array, Array]:
        """The floor texture's corner, and its steps a column and a row, in the world."""
        side = 6 / TEXTURE
        return np.array([-3, -3, FLOOR]), np.array([side, 0, 0]), np.array([0, side, 0])

    def table_patch(self, reach: float) -> tuple[slice, slice]:
        """Rows and columns of the table's texture within a distance of the object."""
        middle = (self.half - self.centre) / (2 * self.half) * TEXTURE
        span = reach / (2 * self.half) * TEXTURE
        low = np.clip(np.floor(middle - span), 0, TEXTURE).astype(int)
        high = np.clip(np.ceil(middle + span), 0, TEXTURE).astype(int)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))

    @classmethod
    def of(cls, rng: np.random.Generator) -> Room:
        """Draw a room, its table with the front edge towards negative y."""
        half = rng.uniform((0.85, 0.6), (1.2, 0.9))
        behind = half[1] - rng.uniform(0.3, 0.45)  # the object stands near the edge at the front
        carpet = hsv(rng.uniform(0, 1), rng.uniform(0.05, 0.3), rng.uniform(0.25, 0.6))
        return cls(
            table=_table_texture(rng),
            centre=np.array([rng.uniform(-0.2, 0.2), behind]),
            half=half,
            floor=_mixed(
                carpet, carpet * 0.5, 0.5 * _grain(rng, 12, 12) + 0.6 * _grain(rng, 400, 400) - 0.2
            ),
            wall=hsv(rng.uniform(0, 1), rng.uniform(0, 0.2), rng.uniform(0.5, 0.9)),
            walls=rng.uniform(1.6, 3.2, 4),
        )


@dataclass(frozen=True, eq=False)
class Light:
    """A lamp or window, sky from above, and a camera that half corrects their colour.

    Its direction, strength and colour drift while the camera walks.
    """

    azimuth: float
    height: float
    strength: float
    ambient: float
    warmth: float
    drift: Array

    @classmethod
    def of(cls, rng: np.random.Generator) -> Light:
        """Draw a light: from any side, 35 to 75 degrees high, dim to bright, warm to cool."""
        return cls(
            azimuth=rng.uniform(0, 2 * np.pi),
            height=np.radians(rng.uniform(35, 75)),
            strength=rng.uniform(0.5, 0.95),
            ambient=rng.uniform(0.28, 0.5),
            warmth=rng.normal(0, 0.09),
            drift=rng.uniform(0, 2 * np.pi, 3),
        )

    def direction(self, seconds: float) -> Array:
        """Unit vector towards the light."""
        azimuth = self.azimuth + 0.25 * np.sin(0.9 * seconds + self.drift[0])
        flat = np.cos(self.height)
        return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(self.height)])

    def colours(self, seconds: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Linear RGB of the direct and of the ambient light."""
        flicker = 1 + 0.12 * np.sin(1.7 * seconds + self.drift[1])
        warmth = self.warmth + 0.03 * np.sin(0.6 * seconds + self.drift[2])
        tint = np.array([1 + warmth, 1, 1 - 1.3 * warmth], np.float32)
        sky = np.array([1 - warmth / 2, 1, 1 + warmth / 2], np.float32)
        return np.float32(self.strength * flicker) * tint, np.float32(self.ambient) * sky


@dataclass(frozen=True, eq=False)
class Walk:
    """The camera's way round an object: to and fro, up and down, nearer and farther, unsteadily."""

    front: float
    orbit: float
    rate: float
    elevation: tuple[float, float]
    distance: float
    phases: Array
    target: Array

    @classmethod
    def of(
        cls, rng: np.random.Generator, settings: SimulationSettings, thing: HouseholdObject
    ) -> Walk:
        """Draw a walk that keeps the object's extent at the chosen share of the picture."""
        near, far = settings.distance
        wanted = FOCAL * thing.extent / (settings.fill * HEIGHT) * rng.uniform(0.93, 1.07)
        return cls(
            front=np.radians(rng.normal(FRONT, 10)),
            orbit=np.radians(settings.orbit),
            rate=settings.orbit_speed / settings.orbit * np.pi / 2,
            elevation=settings.elevation,
            distance=float(np.clip(wanted, near, far)),
            phases=rng.uniform(0, 2 * np.pi, 7),
            target=np.array([0, 0, thing.height / 2]),
        )

    def view(self, seconds: float) -> View:
        """Where the camera is, and that it looks at the object but for a hand's unsteadiness."""
        wave = np.sin(np.array([2.3, 1.1, 2.9, 3.7, 1.9, 1.3]) * seconds + self.phases[:6])
        low, high = np.radians(self.elevation)
        elevation = low + (high - low) * (0.5 + 0.5 * wave[1] * 0.9 + 0.05 * wave[0])
        azimuth = self.front + self.orbit * np.sin(self.rate * seconds + self.phases[6])
        distance = self.distance * (1 + 0.03 * wave[5])
        flat = distance * np.cos(elevation)
        offset = (flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation))
        unsteady = 0.006 * wave[2:5]
        return View.looking(self.target + offset, self.target + unsteady, 0.02 * wave[0])
