# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Surface normals of a depth crop, by fitting a plane around every pixel.

A plane n·P = d in space, seen by a pinhole camera, has an inverse distance that is linear in the
pixel: 1/z = (n_x u + n_y v + n_z f) / (d f), with u and v from the principal point. So the fit is
linear least squares of 1/z over a window, exact for planes whatever their slope; and 1/z is what a
Kinect measures, with the same noise near and far.

A crop does not say where in the image it was: u and v are taken from its middle. The normals are
then those that a camera would see which looks straight at the object, wherever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Values: TypeAlias = NDArray[np.float32]

NEAREST = np.float32(1e-3)  # metres: no sensor sees nearer, and 1/z stays a number
_RADIUS = 3  # pixels: 7×7 average a Kinect's steps away, and leave an apple its roundness
_OFFSETS = np.arange(-_RADIUS, _RADIUS + 1, dtype=np.float32)


def surface_normals(
    depth: NDArray[np.float32], valid: NDArray[np.bool_], focal_length: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Compute normals.

    Args:
        depth: H×W in metres.
        valid: H×W, which of them are distances; the others are not looked at.
        focal_length: In pixels.

    Returns:
        H×W×3 of length 1, in the camera's axes (x right, y down, z forward), towards the camera;
        and H×W, where there are three valid pixels around, not in one line, to say so.

    """
    inverse = np.zeros(depth.shape, np.float32)
    np.divide(np.float32(1), np.maximum(depth, NEAREST), out=inverse, where=valid)
    # Only differences count; measured from the middle they keep more of float32's digits.
    middle = np.float32(inverse.sum() / max(np.count_nonzero(valid), 1))
    np.subtract(inverse, middle, out=inverse, where=valid)
    weight = valid.astype(np.float32)
    (c, across, down), known = _planes(
        [_moment(weight, *powers) for powers in ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))],
        [_moment(inverse, *powers) for powers in ((0, 0), (1, 0), (0, 1))],
    )
    height, width = depth.shape
    u = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2)
    v = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)
    f = np.float32(focal_length)
    x, y, z = -f * across, -f * down, u * across + v * down - c - middle
    length = np.sqrt(x * x + y * y + z * z)
    known &= length > 0
    scale = np.zeros_like(length)
    np.divide(np.float32(1), length, out=scale, where=known)
    return np.stack([x * scale, y * scale, z * scale], axis=-1), known


def _moment(image: Values, i: int, j: int) -> Values:
    """Sum image · du^i · dv^j over the window around each pixel; outside of it all is 0."""
    return np.asarray(
        cv2.sepFilter2D(image, cv2.CV_32F, _OFFSETS**i, _OFFSETS**j, borderType=cv2.BORDER_CONSTANT)
    )


def _planes(
    moments: Sequence[Values], products: Sequence[Values]
) -> tuple[tuple[Values, Values, Values], NDArray[np.bool_]]:
    """Solve the normal equations of c + a du + b dv at every pixel, by Cramer's rule.

    Args:
        moments: Σ of 1, du, dv, du², du dv, dv² over the valid pixels.
        products: Σ of w, w du, w dv.

    Returns:
        (c, a, b), and where there is one solution.

    """
    n, u, v, uu, uv, vv = moments
    w, wu, wv = products
    m00, m01, m02 = uu * vv - uv * uv, v * uv - u * vv, u * uv - uu * v
    m11, m12, m22 = n * vv - v * v, u * v - n * uv, n * uu - u * u
    determinant = n * m00 + u * m01 + v * m02
    known = determinant > 0.5  # noqa: PLR2004 - of whole numbers: 1 or more, or 0
    scale = np.zeros_like(determinant)
    np.divide(np.float32(1), determinant, out=scale, where=known)
    solution = (
        scale * (m00 * w + m01 * wu + m02 * wv),
        scale * (m01 * w + m11 * wu + m12 * wv),
        scale * (m02 * w + m12 * wu + m22 * wv),
    )
    return cast('tuple[Values, Values, Values]', solution), known
