# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where a pinhole camera is, and where its rays and planes meet its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

WIDTH, HEIGHT = 640, 480
FOCAL = 525.0
"""Pixels; the focal length the Kinect drivers assume for both registered pictures."""
CENTRE = (319.5, 239.5)
INTRINSICS = np.array([[FOCAL, 0, CENTRE[0]], [0, FOCAL, CENTRE[1]], [0, 0, 1]])


@dataclass(frozen=True, eq=False)
class View:
    """A camera's pose.

    Attributes:
        rotation: (3, 3) world to camera; its rows are the camera's right, down and forward.
        position: (3,) the camera's centre in the world, in metres.

    """

    rotation: Array
    position: Array

    @classmethod
    def looking(cls, position: ArrayLike, target: ArrayLike, roll: float = 0.0) -> View:
        """Look from one point at another, the world's z upwards, rolled by some radians."""
        eye = np.asarray(position, float)
        forward = np.asarray(target, float) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0, 0, 1))
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        cos, sin = np.cos(roll), np.sin(roll)
        return cls(np.stack([cos * right + sin * down, cos * down - sin * right, forward]), eye)

    def pixels_of(self, points: ArrayLike) -> Array:
        """Project (N, 3) world points, all before the camera, to (N, 2) pixels."""
        inside = (np.asarray(points, float) - self.position) @ self.rotation.T @ INTRINSICS.T
        pixels: Array = inside[:, :2] / inside[:, 2:]
        return pixels

    def homography(self, origin: ArrayLike, along: ArrayLike, across: ArrayLike) -> Array:
        """Map (s, t, 1) on the plane origin + s along + t across to homogeneous pixels. (3, 3)."""
        frame = np.stack([along, across, np.asarray(origin, float) - self.position], 1)
        mapping: Array = INTRINSICS @ self.rotation @ frame
        return mapping

    def inverse_depth(
        self, normal: ArrayLike, offset: float, rows: int = HEIGHT
    ) -> NDArray[np.float32]:
        """1 / z, in 1/m, of the plane normal . p = offset in the first rows; <= 0 where unseen.

        A ray is position + z * rotation' K^-1 (u, v, 1), so 1 / z is affine in the pixel.
        """
        slopes = np.asarray(normal, float) @ self.rotation.T @ np.linalg.inv(INTRINSICS)
        slopes /= offset - np.asarray(normal, float) @ self.position
        row = (np.arange(WIDTH) * slopes[0]).astype(np.float32)
        column = (np.arange(rows) * slopes[1] + slopes[2]).astype(np.float32)
        inverse: NDArray[np.float32] = column[:, None] + row
        return inverse

    def rays(self, left: int, top: int, right: int, bottom: int) -> NDArray[np.float32]:
        """World directions of the pixels of a rectangle, of unit depth: t along a ray is its z."""
        u, v = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
        inside = np.stack(
            [(u - CENTRE[0]) / FOCAL, (v - CENTRE[1]) / FOCAL, np.ones_like(u, float)], -1
        )
        return (inside.reshape(-1, 3) @ self.rotation).astype(np.float32)
