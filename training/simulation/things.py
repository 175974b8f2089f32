# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Other things about the house: ball, cap, flashlight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import trimesh

from .paint import axis, between, blend, hsv, near, noise, solid, step, turn, wedges
from .parts import Part
from .shapes import lathe, rounded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .paint import Paint, Points

Rng = np.random.Generator


def _seams(size: float) -> Paint:
    """An orange ball with the black seams of a basketball."""

    def seam(points: Points) -> NDArray[np.float32]:
        at = points / np.float32(size) - np.array([0, 0, 1], np.float32)
        bow = np.abs(np.abs(at[:, 0]) - np.float32(0.55) - np.float32(0.25) * at[:, 2] ** 2)
        nearest: NDArray[np.float32] = np.stack([np.abs(at[:, 2]), bow, np.abs(at[:, 1])]).min(0)
        return nearest

    return blend(
        solid(hsv(0.06, 0.8, 0.75)),
        solid(hsv(0, 0, 0.12)),
        step(-0.02, lambda points: -seam(points), 0.02),
    )


def ball(rng: Rng, style: int) -> list[Part]:
    """A play ball: a basketball, wedges of orange and white or red, or a stripe."""
    size = rng.uniform(0.08, 0.105)
    bright, red = hsv(rng.uniform(0.04, 0.085), 0.85, 0.85), hsv(rng.normal(0, 0.01), 0.8, 0.75)
    stripe = between(0.85 * size, 1.15 * size, axis(2), 0.002)
    white = hsv(0, 0, 0.92)
    paint = [
        wedges([bright, white if style % 2 else red], 6),
        _seams(size),
        blend(solid(bright), solid(white), stripe),
    ][style % 3]
    sphere = trimesh.creation.icosphere(4, radius=size)
    sphere.apply_translation((0, 0, size))
    return [Part(sphere, paint, 0.25)]


def cap(rng: Rng, style: int) -> list[Part]:
    """A baseball cap: a dome with a button and a badge, and a visor along x."""
    size, tall = rng.uniform(0.082, 0.094), rng.uniform(0.1, 0.125)
    hue, saturation, value = [(0.63, 0.75, 0.4), (0.66, 0.6, 0.28), (0.61, 0.8, 0.5)][style % 3]
    cloth = hsv(hue + rng.normal(0, 0.01), saturation, value * rng.uniform(0.9, 1.1))
    weave = blend(solid(cloth), solid(cloth * 0.65), step(0.5, noise(rng, 0.01), 2))
    seams = step(0.985, lambda points: np.cos(turn(points) * np.float32(2 * np.pi * 6)), 0.01)
    badge = solid(hsv(hue + 0.5, 0.6, 0.9) if style % 2 else hsv(0, 0, 0.93))
    crown = blend(weave, solid(cloth * 0.4), seams)
    crown = blend(crown, badge, near((0.93 * size, 0, 0.45 * tall), 0.026, 0.002))
    dome = rounded([(1, 0), (1.02, 0.45), (0.85, 0.88), (0.3, 1.02), (0, 1)], 3)
    button = trimesh.creation.icosphere(2, radius=0.007)
    button.apply_translation((0, 0, tall))
    return [
        Part(lathe(dome * (size, tall)), crown, 0.02),
        Part(_visor(size, rng.uniform(0.07, 0.085)), weave if style % 3 else badge, 0.02),
        Part(button, badge, 0.02),
    ]


def _visor(size: float, reach: float) -> trimesh.Trimesh:
    """Stretch a crescent forward from the dome, bent down at its sides."""
    angles = np.linspace(-1.15, 1.15, 25)
    ranges = np.linspace(0, 1, 7)
    out = reach * np.clip(np.cos(angles * np.pi / 2.3), 0, 1) ** 0.6
    rows = []
    for share in ranges:
        distance = 0.97 * size + share * out
        x, y = distance * np.cos(0.8 * angles), distance * np.sin(0.8 * angles)
        drop = 0.012 + 0.012 * np.cos(angles) - 0.1 * share * 0.12 - 2.2 * y**2 * share
        rows.append(np.stack([x, y, np.maximum(drop, 0.001)], 1))
    vertices = np.concatenate(rows)
    row, column = np.divmod(np.arange(6 * 24), 24)
    a = row * 25 + column
    faces = np.concatenate([np.stack([a, a + 25, a + 1], 1), np.stack([a + 1, a + 25, a + 26], 1)])
    return trimesh.Trimesh(vertices, faces, process=False)


def flashlight(rng: Rng, style: int) -> list[Part]:
    """A lying torch: a knurled grip, a wider head with a metal ring and a pale lens, a switch."""
    length, grip, head = (
        rng.uniform(0.19, 0.235),
        rng.uniform(0.015, 0.018),
        rng.uniform(0.026, 0.031),
    )
    hue, saturation, value = [(0, 0, 0.12), (0.6, 0.1, 0.22), (0.08, 0.2, 0.17)][style % 3]
    body = hsv(hue + rng.normal(0, 0.01), saturation, value)
    outline = [
        (0, 0),
        (grip, 0),
        (grip, 0.68),
        (head, 0.8),
        (head, 1),
        (0.86 * head, 1),
        (0.8 * head, 0.985),
        (0, 0.985),
    ]
    knurls = step(0.2, lambda points: np.cos(points[:, 0] * np.float32(2 * np.pi / 0.008)), 0.6)
    grip_band = between(0.1 * length, 0.5 * length, axis(0), 0.002)
    rough = blend(
        solid(body),
        solid(body * 0.4),
        lambda points: np.clip(grip_band(points), 0, 1) * np.clip(knurls(points), 0, 1),
    )
    ring = between(0.78 * length, 0.84 * length, axis(0), 0.001)
    lens = step(0.982 * length, axis(0), 0.001)
    skin = blend(blend(rough, solid(hsv(0.6, 0.03, 0.75)), ring), solid(hsv(0.14, 0.1, 0.9)), lens)
    lying = lathe(np.array(outline) * (1, length))
    turned = lying.vertices[:, [2, 0, 1]].copy()
    turned[:, 2] += grip + (head - grip) * turned[:, 0] / length  # it rests on tail and head
    lying = trimesh.Trimesh(turned, lying.faces, process=False)
    switch = trimesh.creation.icosphere(2, radius=0.007)
    switch.apply_translation((0.58 * length, 0, head + grip))
    return [Part(lying, skin, 0.5), Part(switch, solid(hsv(0.98, 0.8, 0.7)), 0.2)]
