# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Depth in metres as points in space: x to the right, y down, z forward."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mm_perception.depth.registration import Intrinsics
from mm_perception.objects.plane import Flags, Floats

_ROWS = 240  # of a grid at most: a finer one shows no more of objects on a table
# Focal length, and the centre's distance, in image sides: what lies beyond is no camera, though it
# may stand in a camera_info.
_WIDEST, _NARROWEST, _ASIDE = 0.1, 100.0, 10.0
_NEAREST = 0.01  # metres: what is nearer, or behind the camera, falls nowhere into the image


class Lens(NamedTuple):
    """From a ray's slope to a fraction of the image, across and down: slope × focal + centre."""

    focal: tuple[float, float]
    centre: tuple[float, float]

    @classmethod
    def of(cls, camera: Intrinsics | None, field_of_view: float, aspect: float) -> Lens:
        """Take a camera's own; where it does not know itself, that of a usual one.

        Args:
            camera: From a camera_info.
            field_of_view: Degrees across, of a usual one.
            aspect: The image's width by its height.

        """
        if camera is not None and camera.known:
            fx, cx, fy, cy = camera.fractions()
            sane = all(_WIDEST <= focal <= _NARROWEST for focal in (fx, fy))
            if sane and max(abs(cx), abs(cy)) <= _ASIDE:
                return cls((fx, fy), (cx, cy))
        focal = 0.5 / math.tan(math.radians(field_of_view / 2))
        return cls((focal, focal * aspect), (0.5, 0.5))

    def spots(self, points: Floats) -> Floats:
        """Give where in the image points are, [N, 2]: across, down; without those that are not."""
        points = points[points[:, 2] > _NEAREST]
        focal, centre = np.array(self.focal, np.float32), np.array(self.centre, np.float32)
        spots: Floats = points[:, :2] / points[:, 2:] * focal + centre
        return spots


class Grid(NamedTuple):
    """Every n-th pixel as a point.

    Attributes:
        cloud: [H, W, 3] metres; 0 where unknown.
        valid: [H, W], where it is known.
        lens: How points fall into the image.
        pitch: From one row, and from one column, to the next, in fractions of the image.

    """

    cloud: Floats
    valid: Flags
    lens: Lens
    pitch: tuple[float, float]

    @classmethod
    def of(cls, depth: NDArray[np.float32], lens: Lens, near: float, far: float) -> Grid:
        """Take what is between near and far, in metres."""
        height, width = depth.shape
        step = max(1, round(height / _ROWS))
        z = depth[::step, ::step]
        with np.errstate(invalid='ignore'):
            valid = (z > near) & (z < far)
        z = np.where(valid, z, np.float32(0))
        rows, columns = z.shape
        # Pixel i of n covers i/n to (i+1)/n.
        across = ((np.arange(columns) * step + 0.5) / width - lens.centre[0]) / lens.focal[0]
        down = ((np.arange(rows) * step + 0.5) / height - lens.centre[1]) / lens.focal[1]
        cloud = np.empty((rows, columns, 3), np.float32)
        np.multiply(z, across.astype(np.float32), out=cloud[..., 0])
        np.multiply(z, down.astype(np.float32)[:, None], out=cloud[..., 1])
        cloud[..., 2] = z
        return cls(cloud, valid, lens, (step / height, step / width))
