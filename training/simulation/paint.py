# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural colour: a paint gives the albedo of points in an object's own coordinates.

Albedo is linear light in [0, 1]; colours are named in HSV as one sees them on a screen and squared,
which is near enough to the sRGB curve.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Points = NDArray[np.float32]
Colour = NDArray[np.float32]
Paint = Callable[[Points], NDArray[np.float32]]
Pattern = Callable[[Points], NDArray[np.float32]]


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Albedo of a colour given by hue in turns, saturation and value in [0, 1]."""
    rgb = colorsys.hsv_to_rgb(hue % 1, np.clip(saturation, 0, 1), np.clip(value, 0, 1))
    return np.square(np.array(rgb, np.float32))


def noise(rng: np.random.Generator, wavelength: float | Sequence[float], waves: int = 7) -> Pattern:
    """Make a random smooth pattern of about zero mean and unit deviation.

    Args:
        rng: Where the pattern comes from.
        wavelength: Metres between crests, one number or one an axis.
        waves: How many plane waves are summed.

    """
    spread = rng.normal(size=(waves, 3))
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    spread *= rng.uniform(0.6, 1.7, (waves, 1))
    vectors = (2 * np.pi * spread / np.asarray(wavelength)).T.astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, waves).astype(np.float32)
    scale = np.float32(np.sqrt(2 / waves))

    def pattern(points: Points) -> NDArray[np.float32]:
        values: NDArray[np.float32] = np.cos(points @ vectors + phases).sum(1) * scale
        return values

    return pattern


def solid(colour: Colour) -> Paint:
    """One colour all over."""
    return lambda points: np.broadcast_to(colour, (len(points), 3)).copy()


def blend(below: Paint, above: Paint, cover: Pattern) -> Paint:
    """Lay one paint over another, ``cover`` (clipped to 0..1) saying how thickly."""

    def paint(points: Points) -> NDArray[np.float32]:
        share = np.clip(cover(points), 0, 1)[:, None]
        return below(points) * (1 - share) + above(points) * share

    return paint


def step(edge: float, value: Pattern, width: float) -> Pattern:
    """0 below an edge, 1 above, and a ramp of the given width between."""

    def ramp(points: Points) -> NDArray[np.float32]:
        heights: NDArray[np.float32] = value(points) / np.float32(width)
        heights += np.float32(0.5 - edge / width)
        return heights

    return ramp


def between(low: float, high: float, value: Pattern, width: float) -> Pattern:
    """1 where a value lies between two edges, 0 elsewhere."""
    middle, half = (low + high) / 2, (high - low) / 2
    return step(-half, lambda points: -np.abs(value(points) - np.float32(middle)), width)


def axis(index: int) -> Pattern:
    """The coordinate along x, y or z, in metres."""
    return lambda points: points[:, index]


def radius(points: Points) -> NDArray[np.float32]:
    """Distance from the z axis, in metres."""
    distance: NDArray[np.float32] = np.hypot(points[:, 0], points[:, 1])
    return distance


def turn(points: Points) -> NDArray[np.float32]:
    """Angle round the z axis, in turns from -0.5 to 0.5."""
    angle: NDArray[np.float32] = np.arctan2(points[:, 1], points[:, 0]) / np.float32(2 * np.pi)
    return angle


def wedges(colours: Sequence[Colour], count: int) -> Paint:
    """Cycle through colours round the z axis, like a beach ball."""
    table = np.stack(colours)

    def paint(points: Points) -> NDArray[np.float32]:
        index = np.floor(turn(points) * count).astype(int) % len(table)
        chosen: NDArray[np.float32] = table[index]
        return chosen

    return paint


def near(centre: Sequence[float], reach: float, edge: float) -> Pattern:
    """1 within ``reach`` of a point, 0 beyond."""
    middle = np.asarray(centre, np.float32)
    return step(-reach, lambda points: -np.linalg.norm(points - middle, axis=1), edge)
