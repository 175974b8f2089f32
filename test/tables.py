# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images of tables with boxes on them, by casting rays, and where each box is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mm_perception.depth.registration import Intrinsics
from mm_perception.objects.boxes import Box
from mm_perception.observation import Frame, Modality, Observation

Floats = NDArray[np.float64]
WIDTH, HEIGHT = 320, 240
FOCAL = 285.0  # pixels; half of a VGA Kinect's
CAMERA = Intrinsics(WIDTH, HEIGHT, (FOCAL, 0, WIDTH / 2, 0, FOCAL, HEIGHT / 2, 0, 0, 1))


@dataclass(frozen=True)
class Block:
    """A box on the table: where its middle is, its yaw, and its three sides, in metres."""

    x: float
    y: float
    yaw: float
    sides: tuple[float, float, float]
    lifted: float = 0.0


@dataclass(frozen=True)
class Table:
    """A table in front of a camera.

    Attributes:
        distance: Metres along the middle ray from the camera to the table's middle.
        pitch: Degrees that the camera looks down.
        roll: Degrees that it is tilted.
        blocks: What stands on the table.
        size: Metres across and away.
        wall: Metres from the camera to a wall behind all.
        noise: Standard deviation at 1 m, in metres; it grows with the distance's square.

    """

    distance: float = 1.0
    pitch: float = 40.0
    roll: float = 0.0
    blocks: tuple[Block, ...] = ()
    size: tuple[float, float] = (1.2, 1.0)
    wall: float = 4.0
    noise: float = 0.0015
    _rays: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
        rays = np.stack(
            [
                (columns - WIDTH / 2) / FOCAL,
                (rows - HEIGHT / 2) / FOCAL,
                np.ones((HEIGHT, WIDTH)),
            ],
            axis=-1,
        )
        object.__setattr__(self, '_rays', rays @ self._axes())

    def _axes(self) -> Floats:
        """The table's axes in the camera's: across, away, up, as columns."""
        pitch, roll = np.radians([self.pitch, self.roll])
        across = np.array([1.0, 0.0, 0.0])
        up = np.array([0.0, -np.cos(pitch), -np.sin(pitch)])
        away = np.cross(up, across)
        tilt = np.array(
            [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
        )
        return tilt @ np.stack([across, away, up], axis=1)

    def _eye(self) -> Floats:
        """The camera's place, seen from the table's middle."""
        return -self.distance * (np.array([0.0, 0.0, 1.0]) @ self._axes())

    def depth(self, seed: int = 0) -> NDArray[np.float32]:
        """What the sensor measures."""
        distances = np.min([self._flat(), *map(self._block, self.blocks)], axis=0)
        distances = np.minimum(distances, self.wall)
        noise = np.random.default_rng(seed).normal(0, 1, distances.shape)
        return (distances + self.noise * distances**2 * noise).astype(np.float32)

    def seen(self) -> list[tuple[Box | None, float]]:
        """Where each block is seen, and the share of it that nothing hides."""
        others = [self._flat(), *map(self._block, self.blocks)]
        nearest = np.argmin(others, axis=0)
        found: list[tuple[Box | None, float]] = []
        for number, alone in enumerate(others[1:], 1):
            visible, whole = nearest == number, np.isfinite(alone)
            share = visible.sum() / max(whole.sum(), 1)
            found.append((_bounds(visible), float(share)))
        return found

    def _flat(self) -> Floats:
        eye = self._eye()
        with np.errstate(divide='ignore', invalid='ignore'):
            way = -eye[2] / self._rays[..., 2]
            spots = eye[:2] + way[..., None] * self._rays[..., :2]
        inside = (np.abs(spots) <= np.array(self.size) / 2).all(-1)
        return np.where((way > 0) & inside, way, np.inf)

    def _block(self, block: Block) -> Floats:
        """Cast the rays at a block; inf where they miss it."""
        cos, sin = np.cos(block.yaw), np.sin(block.yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        centre = np.array([block.x, block.y, block.lifted + block.sides[2] / 2])
        eye, rays = (self._eye() - centre) @ turn, self._rays @ turn
        half = np.array(block.sides) / 2
        with np.errstate(divide='ignore', invalid='ignore'):
            one, other = (-half - eye) / rays, (half - eye) / rays
        enters, leaves = np.minimum(one, other).max(-1), np.maximum(one, other).min(-1)
        return np.where((enters < leaves) & (enters > 0), enters, np.inf)


CUP = Block(0.04, 0.02, 0.3, (0.08, 0.08, 0.1))
BESIDE = Block(0.3, 0.02, 0.0, (0.1, 0.08, 0.07))


@dataclass(frozen=True)
class TableSource:
    """A recording of tables, each a frame."""

    tables: tuple[Table, ...]
    name: str = 'tables'
    start: int = 0

    def identity(self) -> Mapping[str, object]:
        return {}

    def observations(self, every: int) -> Iterator[tuple[int, Observation]]:
        colour = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        for i, table in enumerate(self.tables[::every]):
            images: dict[Modality, Any] = {Modality.RGB: colour, Modality.DEPTH: table.depth(i)}
            frames = (Frame(m, i * 10**8, 'camera', image) for m, image in images.items())
            yield i * 10**8, Observation.of(*frames)


def _bounds(mask: NDArray[np.bool_]) -> Box | None:
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top = columns[0] / WIDTH, rows[0] / HEIGHT
    return Box(left, top, (columns[-1] + 1) / WIDTH - left, (rows[-1] + 1) / HEIGHT - top)
