# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""HHA of a depth crop: horizontal disparity, height, and the surface's angle with gravity.

Gupta, Girshick, Arbeláez & Malik, *Learning Rich Features from RGB-D Images for Object Detection
and Segmentation*, ECCV 2014. Which way is down is told by the normals alone, as in Gupta, Arbeláez
& Malik, *Perceptual Organization and Recognition of Indoor Scenes from RGB-D Images*, CVPR 2013:
most surfaces that people build lie or stand. A crop shows too little of them to be sure, so what
they leave open stays as the camera has it: down is where pictures have it.

As with normals, a crop does not say where in the image it was, and is taken for its middle; the
ground is the lowest point that it shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mm_perception.depth.normals import NEAREST, surface_normals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DOWN = (0.0, 1.0, 0.0)  # a level camera's y
_WITHIN = (*[np.deg2rad(45)] * 5, *[np.deg2rad(15)] * 5)  # one for each new estimate
_ENOUGH = 2000  # normals: more of them move the estimate by less than a degree
_INERTIA = 1e-3  # of all normals: what a direction must be worth to be turned to


class HHA(NamedTuple):
    """The three of a depth crop.

    Attributes:
        disparity: H×W, 1 / metres; 0 where there is no distance.
        height: H×W, metres above the lowest point; 0 where there is no distance.
        angle: H×W, between gravity and the surface's direction: 0 looks down, π up.
        known: H×W, where the surface has a direction.

    """

    disparity: NDArray[np.float32]
    height: NDArray[np.float32]
    angle: NDArray[np.float32]
    known: NDArray[np.bool_]


def hha(
    depth: NDArray[np.float32],
    valid: NDArray[np.bool_],
    focal_length: float,
    gravity: Sequence[float] | None = None,
) -> HHA:
    """Compute the three.

    Args:
        depth: H×W in metres.
        valid: H×W, which of them are distances, at least one; the others are not looked at.
        focal_length: In pixels.
        gravity: Where down is, in the camera's axes (x right, y down, z forward), of any length;
            None: as the normals have it.

    """
    normals, known = surface_normals(depth, valid, focal_length)
    down = estimated_gravity(normals[known]) if gravity is None else _unit(np.asarray(gravity))
    rows, columns = depth.shape
    u = (np.arange(columns) - (columns - 1) / 2) / focal_length
    v = (np.arange(rows)[:, None] - (rows - 1) / 2) / focal_length
    distance = np.maximum(np.where(valid, depth, np.float32(1)), NEAREST)
    height = -(down[0] * u + down[1] * v + down[2]).astype(np.float32) * distance
    cosine = np.clip(normals @ down.astype(np.float32), -1, 1)
    return HHA(
        np.where(valid, 1 / distance, np.float32(0)),
        np.where(valid, height - height[valid].min(), np.float32(0)),
        np.arccos(cosine),
        known,
    )


def estimated_gravity(normals: NDArray[np.float32]) -> NDArray[np.float64]:
    """Find the direction that as many surfaces as possible look along, or at a right angle to.

    The normals near to it or its opposite are to be as parallel to it as they can, those near a
    right angle as orthogonal: Σ sin² of the ones plus Σ cos² of the others is least in the last
    eigenvector of a 3×3 matrix. What is near is asked of the estimate before.

    Args:
        normals: [N, 3], of length 1.

    Returns:
        [3], of length 1, in the half space below the camera.

    """
    down = np.array(_DOWN)
    thinned = normals[:: max(len(normals) // _ENOUGH, 1)].astype(np.float64)
    for within in _WITHIN:
        cosine = np.abs(thinned @ down)
        along = thinned[cosine > np.cos(within)]
        across = thinned[cosine < np.sin(within)]
        spread = across.T @ across - along.T @ along
        spread -= _INERTIA * max(len(thinned), 1) * np.outer(down, down)
        found = np.linalg.eigh(spread)[1][:, 0]
        down = found * (1 if found @ down > 0 else -1)
    return down if down[1] >= 0 else -down


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vector / np.linalg.norm(vector), np.float64)
