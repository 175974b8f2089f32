# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Tableware: bowl, coffee mug, pitcher, plate."""

from __future__ import annotations

import numpy as np

from .paint import Paint, axis, between, blend, hsv, noise, radius, solid, step, turn
from .parts import Part
from .shapes import lathe, rounded, tube

Rng = np.random.Generator


def _glaze(rng: Rng, hue: float, saturation: float, value: float) -> Paint:
    """Draw a ceramic glaze about a colour, slightly uneven."""
    base = hsv(
        hue + rng.normal(0, 0.015),
        saturation * rng.uniform(0.8, 1.15),
        value * rng.uniform(0.88, 1.08),
    )
    return blend(solid(base), solid(base * 0.7), step(0.6, noise(rng, 0.05), 3))


def bowl(rng: Rng, style: int) -> list[Part]:
    """A round open bowl on a foot, its inside paler than its outside."""
    size, tall = rng.uniform(0.07, 0.09), rng.uniform(0.06, 0.08)
    outside = _glaze(rng, *[(0.12, 0.2, 0.85), (0.09, 0.35, 0.75), (0.0, 0.0, 0.9)][style % 3])
    inside = blend(
        outside,
        solid(hsv(0.12, 0.06, 0.93)),
        lambda points: np.full(len(points), rng_share, np.float32),
    )
    rng_share = rng.uniform(0.5, 0.95)
    belly = rng.uniform(0.72, 0.86)
    outer = rounded([(0, 0.0), (0.45, 0), (0.45, 0.08), (belly, 0.4), (0.97, 0.8), (1, 1)], 2)
    inner = rounded([(0.96, 1), (0.93, 0.8), (belly - 0.05, 0.47), (0.4, 0.14), (0, 0.1)], 2)
    lip = np.array([(1, 1), (0.96, 1)])
    rim = between(0.82 * tall, 0.92 * tall, axis(2), 0.002)
    scale = (size, tall)
    return [
        Part(
            lathe(outer * scale),
            blend(outside, solid(hsv(0.1, 0.1, 0.9)), rim) if style % 2 else outside,
            0.4,
        ),
        Part(lathe(inner * scale), inside, 0.4),
        Part(lathe(lip * scale), inside, 0.4),
    ]


def _handle(inner: float, reach: float, low: float, high: float, thick: float) -> Part:
    """Bend a handle out of the x axis from one height to another; painted by the caller."""
    middle = (low + high) / 2
    path = rounded(
        [
            (inner, 0, high),
            (inner + reach, 0, high),
            (inner + reach, 0, middle),
            (inner + 0.8 * reach, 0, low),
            (inner, 0, low),
        ],
        2,
    )
    return Part(tube(path, thick, (0, 1, 0), sections=10), solid(hsv(0, 0, 0)))


def coffee_mug(rng: Rng, style: int) -> list[Part]:
    """A cylinder with a large handle, plain, striped or with a picture on it."""
    size, tall = rng.uniform(0.039, 0.046), rng.uniform(0.088, 0.105)
    glaze = _glaze(rng, *[(0.52, 0.6, 0.6), (0.56, 0.65, 0.6)][style % 2])
    white = solid(hsv(0.1, 0.05, 0.93))
    stripe = between(0.35 * tall, 0.65 * tall, axis(2), 0.002)
    emblem = step(
        -0.1,
        lambda points: (
            -np.hypot(np.abs(turn(points)) - np.float32(0.25), (points[:, 2] - tall / 2) * 4)
        ),
        0.02,
    )
    outside = [glaze, blend(glaze, white, stripe), blend(glaze, white, emblem)][style % 3]
    outer = np.array([(0, 0), (0.9, 0), (1, 0.06), (1, 1), (0.93, 1)])
    inner = np.array([(0.93, 1), (0.92, 0.1), (0, 0.08)])
    handle = _handle(
        0.96 * size, rng.uniform(0.028, 0.036), 0.2 * tall, 0.83 * tall, rng.uniform(0.0055, 0.007)
    )
    return [
        Part(lathe(outer * (size, tall)), outside, 0.4),
        Part(
            lathe(inner * (size, tall)),
            blend(white, glaze, lambda points: np.full(len(points), 0.15, np.float32)),
            0.3,
        ),
        Part(handle.mesh, glaze, 0.4),
    ]


def pitcher(rng: Rng, style: int) -> list[Part]:
    """A tall jug: a belly, a neck, a spout on one side, a big handle on the other."""
    size, tall = rng.uniform(0.062, 0.076), rng.uniform(0.19, 0.235)
    glaze = _glaze(rng, *[(0.33, 0.5, 0.5), (0.39, 0.55, 0.45)][style % 2])
    dark = blend(
        glaze, solid(hsv(0.6, 0.3, 0.15)), lambda points: np.full(len(points), 0.5, np.float32)
    )
    neck = rng.uniform(0.62, 0.74)
    outer = rounded(
        [(0, 0), (0.7, 0), (0.98, 0.2), (1, 0.42), (neck, 0.72), (neck, 0.85), (neck + 0.12, 1)], 2
    )
    inner = rounded(
        [(neck + 0.09, 1), (neck - 0.05, 0.83), (neck - 0.04, 0.7), (0.9, 0.42), (0, 0.1)], 2
    )
    meshes = [lathe(profile * (size, tall)) for profile in (outer, inner)]
    for mesh in meshes:
        vertices = mesh.vertices.copy()
        pull = (
            np.clip(vertices[:, 2] / tall - 0.78, 0, 1) * np.clip(-vertices[:, 0] / size, 0, 1) ** 3
        )
        vertices[:, 0] -= 0.42 * pull
        vertices[:, 2] += 0.1 * pull
        mesh.vertices = vertices
    handle = _handle(
        neck * size * 0.98,
        rng.uniform(0.055, 0.07),
        0.34 * tall,
        0.88 * tall,
        rng.uniform(0.007, 0.0095),
    )
    bands = between(0.42 * tall, 0.5 * tall, axis(2), 0.002)
    white = solid(hsv(0.1, 0.05, 0.92))
    return [
        Part(meshes[0], blend(glaze, white, bands) if style % 2 else glaze, 0.45),
        Part(meshes[1], dark, 0.3),
        Part(handle.mesh, glaze, 0.45),
    ]


def plate(rng: Rng, style: int) -> list[Part]:
    """A flat disc with a raised brim, pale, its brim banded or dotted in colour."""
    size, tall = rng.uniform(0.1, 0.128), rng.uniform(0.017, 0.026)
    pale = solid(hsv(rng.uniform(0.08, 0.14), rng.uniform(0, 0.08), rng.uniform(0.88, 0.96)))
    colour = solid(hsv([0.6, 0.98, 0.38, 0.1][style % 4] + rng.normal(0, 0.02), 0.75, 0.6))
    rings = between(rng.uniform(0.84, 0.9) * size, 0.96 * size, radius, 0.001)
    dots = step(0.2, lambda points: np.cos(turn(points) * np.float32(2 * np.pi * 24)), 0.3)
    brim = (
        rings
        if style % 2
        else lambda points: np.clip(rings(points), 0, 1) * np.clip(dots(points), 0, 1)
    )
    top = rounded([(1, 1), (0.96, 1), (0.68, 0.35), (0.6, 0.2), (0, 0.18)], 1)
    under = rounded([(0, 0), (0.6, 0), (0.7, 0.2), (1, 0.9), (1, 1)], 1)
    return [
        Part(lathe(top * (size, tall), 64), blend(pale, colour, brim), 0.35),
        Part(lathe(under * (size, tall), 64), pale, 0.2),
    ]
