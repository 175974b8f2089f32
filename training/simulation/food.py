# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Food and its packages: apple, banana, cereal box, soda can, water bottle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import trimesh

from .paint import axis, between, blend, hsv, near, noise, solid, step, turn
from .parts import Part
from .shapes import lathe, rounded, tube

if TYPE_CHECKING:
    from .paint import Paint

Rng = np.random.Generator

STALK = -0.4
"""Share of a banana's length, from its middle, at which its stalk begins."""


def apple(rng: Rng, style: int) -> list[Part]:
    """A fruit with a dimple and a stalk: red, with a yellow cheek or dark red."""
    size, height = rng.uniform(0.037, 0.044), rng.uniform(0.85, 1.0)
    hue, value = [(0.99, 0.72), (0.03, 0.78), (0.97, 0.55)][style % 3]
    skin = solid(hsv(hue + rng.normal(0, 0.008), rng.uniform(0.75, 0.9), value))
    cheek = solid(hsv([0.12, 0.13, 0.0][style % 3], 0.7, 0.8))
    profile = rounded(
        [
            (0, 0.1),
            (0.3, 0),
            (0.75, 0.1),
            (1, 0.8),
            (0.95, 1.45),
            (0.5, 1.75),
            (0.18, 1.65),
            (0, 1.5),
        ],
        3,
    )
    streaks = noise(rng, (0.02, 0.02, 0.09))
    body = blend(skin, cheek, step(1.0, streaks, 1.6))
    stalk = np.array([(0, 0, 1.5), (0.03, 0, 1.75), (0.12, 0, 2.0)]) * size * height
    return [
        Part(lathe(profile * size * (1, height)), body, gloss=0.35),
        Part(tube(stalk, 0.002, (0, 1, 0), sections=6), solid(hsv(0.08, 0.6, 0.3))),
    ]


def banana(rng: Rng, _style: int) -> list[Part]:
    """A bent, lying fruit, yellow, greenish or freckled with brown."""
    length, thick = rng.uniform(0.19, 0.225), rng.uniform(0.017, 0.0205)
    bend = rng.uniform(1.3, 1.8)
    along = np.linspace(-0.5, 0.5, 25)
    arc = length / bend
    path = np.stack([arc * np.sin(along * bend), arc * np.cos(along * bend), np.full(25, thick)], 1)
    ends = np.clip((0.5 - np.abs(along)) / 0.16, 0, 1)
    radii = thick * np.where(along < STALK, 0.35 + 0.1 * ends, 0.3 + 0.7 * np.sin(ends * np.pi / 2))
    yellow = solid(hsv(rng.uniform(0.125, 0.155), rng.uniform(0.78, 0.9), rng.uniform(0.85, 0.95)))
    brown = solid(hsv(0.07, 0.6, 0.22))
    freckles = step(rng.uniform(1.5, 2.4), noise(rng, 0.012), 0.4)
    tip = step(0.47 * length * 0.88, lambda points: np.abs(points[:, 0]), 0.012)
    skin = blend(blend(yellow, brown, freckles), brown, tip)
    return [Part(tube(path, radii, (0, 0, 1)), skin, gloss=0.15)]


def _printed_front(rng: Rng, main: Paint, other: Paint, wide: float, tall: float) -> Paint:
    """Print a carton: a title band with a wavy edge, a round picture, lines of small print."""
    white = solid(hsv(0.1, rng.uniform(0, 0.1), 0.92))
    food = solid(hsv(rng.uniform(0.06, 0.12), 0.6, 0.75))
    wave = noise(rng, (0.12, 0.12, 1.0), waves=3)
    low = tall * rng.uniform(0.62, 0.74)
    band = between(low, low + tall * 0.2, lambda points: points[:, 2] + 0.006 * wave(points), 0.002)
    picture = near((rng.uniform(-0.1, 0.1) * wide, 0, tall * 0.32), wide * 0.33, 0.002)
    crumbs = step(0.3, noise(rng, 0.022), 0.6)
    print_lines = between(0.55, 1, lambda points: np.mod(points[:, 2] / 0.009, 1), 0.2)
    foot = between(0, tall * 0.09, axis(2), 0.002)
    face = blend(main, other, band)
    face = blend(face, blend(white, food, crumbs), picture)
    return blend(face, blend(other, white, print_lines), foot)


def cereal_box(rng: Rng, style: int) -> list[Part]:
    """A tall printed carton."""
    wide, deep, tall = rng.uniform((0.17, 0.05, 0.245), (0.21, 0.075, 0.295))
    hue = rng.uniform(0.1, 0.15)
    main = solid(hsv(hue, rng.uniform(0.7, 0.9), rng.uniform(0.75, 0.9)))
    other = solid(hsv([0.0, 0.6, 0.36][style % 3] + rng.normal(0, 0.02), 0.8, 0.65))
    box = trimesh.creation.box((wide, deep, tall))
    box.apply_translation((0, 0, tall / 2))
    return [Part(box, _printed_front(rng, main, other, wide, tall), gloss=0.12)]


def soda_can(rng: Rng, style: int) -> list[Part]:
    """A drinks can with a silver top and a swirl on its label."""
    size, tall = rng.uniform(0.031, 0.034), rng.uniform(0.115, 0.13)
    hue = [0.97, 0.0, 0.94][style % 3] + rng.normal(0, 0.012)
    ground = solid(hsv(hue, rng.uniform(0.8, 0.95), rng.uniform(0.6, 0.85)))
    swirl = solid(hsv(0.15, rng.uniform(0, 0.15), 0.92))
    metal = solid(hsv(0.6, 0.03, 0.72))
    profile = [
        (0, 0.004),
        (0.76, 0),
        (1, 0.07),
        (1, 0.88),
        (0.83, 0.97),
        (0.83, 1),
        (0.78, 1),
        (0.76, 0.965),
        (0, 0.965),
    ]
    centre, twist = rng.uniform(0.4, 0.6) * tall, rng.uniform(0.02, 0.05)
    wave = between(
        -0.011,
        0.011,
        lambda points: points[:, 2] - centre - twist * np.sin(4 * np.pi * turn(points)),
        0.003,
    )
    label = blend(ground, swirl, wave)
    skin = blend(metal, label, between(0.05 * tall, 0.89 * tall, axis(2), 0.002))
    return [Part(lathe(np.array(profile) * (size, tall)), skin, gloss=0.5)]


def water_bottle(rng: Rng, style: int) -> list[Part]:
    """A slim bottle of bluish plastic with a paper label and a coloured cap."""
    size, tall = rng.uniform(0.031, 0.037), rng.uniform(0.215, 0.255)
    plastic = solid(hsv(rng.uniform(0.52, 0.58), rng.uniform(0.12, 0.3), rng.uniform(0.68, 0.82)))
    hue = [0.6, 0.55, 0.64][style % 3] + rng.normal(0, 0.02)
    colour = solid(hsv(hue, 0.75, 0.65))
    white = solid(hsv(0, 0, 0.93))
    neck, shoulder = 0.37, rng.uniform(0.62, 0.7)
    body = [
        (0, 0.01),
        (0.8, 0),
        (1, 0.04),
        (1, 0.28),
        (0.95, 0.33),
        (1, 0.38),
        (1, shoulder),
        (0.8, shoulder + 0.12),
        (neck, 0.9),
        (neck, 0.93),
    ]
    ribs = step(0.6, lambda points: np.cos(points[:, 2] * np.float32(2 * np.pi / 0.014)), 0.5)
    clear = blend(plastic, white, lambda points: np.float32(0.35) * np.clip(ribs(points), 0, 1))
    printed = blend(white, colour, between(0.47 * tall, 0.56 * tall, axis(2), 0.002))
    skin = blend(clear, printed, between(0.42 * tall, 0.6 * tall, axis(2), 0.001))
    cap = [(0, 0.925), (neck * 1.2, 0.925), (neck * 1.2, 0.995), (neck * 1.05, 1), (0, 1)]
    return [
        Part(lathe(rounded(np.array(body) * (size, tall), 1)), skin, gloss=0.6),
        Part(lathe(np.array(cap) * (size, tall), 24), colour, gloss=0.2),
    ]
