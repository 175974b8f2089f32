# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The few ways in which a household object's surface is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import trimesh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]


def rounded(points: ArrayLike, rounds: int = 2) -> Array:
    """Cut the corners of a polyline (Chaikin 1974), keeping its two ends. (N, D) in, (M, D) out."""
    line = np.asarray(points, float)
    for _ in range(rounds):
        cut = np.empty((2 * len(line) - 2, line.shape[1]))
        cut[0::2] = 0.75 * line[:-1] + 0.25 * line[1:]
        cut[1::2] = 0.25 * line[:-1] + 0.75 * line[1:]
        line = np.concatenate([line[:1], cut, line[-1:]])
    return line


def lathe(profile: ArrayLike, sections: int = 48) -> trimesh.Trimesh:
    """Turn a profile of (radius, height) rows round the z axis."""
    return trimesh.creation.revolve(np.asarray(profile, float), sections=sections)


def tube(
    path: ArrayLike, radii: ArrayLike, side: Sequence[float], sections: int = 14
) -> trimesh.Trimesh:
    """Sweep a circle of changing radius along a plane path, and close both ends.

    Args:
        path: (N, 3) centres, all in one plane.
        radii: (N,) or one radius for all.
        side: The unit normal of the path's plane.
        sections: Corners of the swept circle.

    """
    centres = np.asarray(path, float)
    count = len(centres)
    radius = np.broadcast_to(np.asarray(radii, float), (count,))[:, None, None]
    tangents = np.gradient(centres, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    normals = np.cross(tangents, side)
    angles = np.linspace(0, 2 * np.pi, sections, endpoint=False)[None, :, None]
    rings = centres[:, None] + radius * (
        np.cos(angles) * np.asarray(side, float) + np.sin(angles) * normals[:, None]
    )
    vertices = np.concatenate([rings.reshape(-1, 3), centres[:1], centres[-1:]])
    ring, corner = np.divmod(np.arange((count - 1) * sections), sections)
    here, beside = ring * sections + corner, ring * sections + (corner + 1) % sections
    around = np.concatenate(
        [
            np.stack([here, beside, here + sections], 1),
            np.stack([beside, beside + sections, here + sections], 1),
        ]
    )
    first = np.arange(sections)
    last, after = first + (count - 1) * sections, (first + 1) % sections
    low = np.stack([after, first, np.full(sections, count * sections)], 1)
    high = np.stack(
        [last, after + (count - 1) * sections, np.full(sections, count * sections + 1)], 1
    )
    faces = np.concatenate([around, low, high])
    return trimesh.Trimesh(vertices, faces, process=False)


def vertex_normals(vertices: Array, faces: NDArray[np.int32]) -> Array:
    """Area-weighted mean of the normals of the faces at each vertex. (V, 3), unit length."""
    corners = vertices[faces]
    weighted = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], weighted)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    return normals
