# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The planes that most of a point cloud lies in.

RANSAC (Fischler & Bolles 1981) with triples of points that are near each other in the image, which
lie in one plane more often than any three do, and a least-squares fit of the best (Chum, Matas &
Kittler, Locally optimized RANSAC, 2003); then anew with the points that are left. The draws are the
same at every call: the same picture gives the same planes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

_TRIPLES = 256
_WINDOW = 0.25  # of the image's height: how far the points of a triple lie apart at most
_VOTERS = 1500  # points that the triples are judged by
_PLANES = 3
_ROUNDS = 3  # of fitting to what is near, and looking anew what is near
_FEWEST = 50  # points: fewer are no plane
_FLATTEST = 1e-9  # m²: a triple that spans less is a line


class Plane(NamedTuple):
    """All points p with normal · p + offset = 0, in metres, seen from the origin.

    Attributes:
        normal: [3], of length 1, towards the camera.
        offset: The camera's own distance, not negative.
        support: How many points lie in it.

    """

    normal: Floats
    offset: float
    support: int = 0

    def height(self, points: Floats) -> Floats:
        """Distance of points, [..., 3], from the plane; the camera's side is positive."""
        heights: Floats = points @ self.normal + np.float32(self.offset)
        return heights


def find_planes(
    cloud: Floats,
    valid: Flags,
    tolerance: float,
    admits: Callable[[Floats], Flags],
    share: float,
) -> list[Plane]:
    """Find the planes that hold the most points.

    Args:
        cloud: [H, W, 3] metres, the camera at the origin, z forward.
        valid: [H, W], which of them are known.
        tolerance: How far a point at 1 m may lie off; it grows with the distance's square, as the
            noise of sensors by triangulation does.
        admits: Which of the normals, [N, 3], may be a plane's.
        share: The least share of the valid points that a plane holds.

    Returns:
        A few planes at most, the largest first; none where there is none.

    """
    points = cloud[valid]
    if len(points) < _FEWEST:
        return []
    random = np.random.default_rng(0)
    normals, offsets = _through_triples(cloud, valid, random)
    allowed = admits(normals)
    normals, offsets = normals[allowed], offsets[allowed]
    voters = points[random.integers(len(points), size=min(_VOTERS, len(points)))]
    off = np.abs(normals @ voters.T + offsets[:, None])
    near = (off < _slack(voters, tolerance)).astype(np.float32)
    free = np.ones(len(voters), np.float32)  # voters, and points, that no plane has taken yet
    planes: list[Plane] = []
    for _ in range(_PLANES if len(normals) else 0):
        best = int((near @ free).argmax())
        slack = _slack(points, tolerance)
        plane, taken = _fitted(Plane(normals[best], float(offsets[best])), points, slack)
        if plane.support < max(share * valid.sum(), _FEWEST):
            break
        if admits(plane.normal[None])[0]:
            planes.append(plane)
        points = points[~taken]
        free[np.abs(plane.height(voters)) < _slack(voters, tolerance)] = 0
    return sorted(planes, key=lambda plane: -plane.support)


def _slack(points: Floats, tolerance: float) -> Floats:
    slack: Floats = np.float32(tolerance) * points[:, 2] ** 2
    return slack


def _through_triples(
    cloud: Floats, valid: Flags, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Give the planes through triples of neighbours; fewer than were drawn, as some have none."""
    height, width = valid.shape
    reach = max(2, round(_WINDOW * height))
    rows, columns = np.nonzero(valid)
    first = random.integers(len(rows), size=_TRIPLES)
    steps = random.integers(-reach, reach + 1, size=(2, 2, _TRIPLES))
    others_down = np.clip(rows[first] + steps[0], 0, height - 1)
    others_across = np.clip(columns[first] + steps[1], 0, width - 1)
    known = valid[others_down, others_across].all(0)
    a = cloud[rows[first], columns[first]][known]
    b, c = cloud[others_down, others_across][:, known]
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1)
    real = lengths > _FLATTEST
    normals = normals[real] / lengths[real, None]
    offsets = -(normals * a[real]).sum(1)
    # The camera is on the side that the normal points to.
    signs = np.where(offsets < 0, np.float32(-1), np.float32(1))
    return normals * signs[:, None], offsets * signs


def _fitted(plane: Plane, points: Floats, slack: Floats) -> tuple[Plane, Flags]:
    """Fit a plane to the points near it; tell which these are at last."""
    near = np.abs(plane.height(points)) < slack
    for _ in range(_ROUNDS):
        if near.sum() < _FEWEST:
            break
        inliers = points[near].astype(np.float64)
        middle = inliers.mean(0)
        spread = inliers - middle
        normal = np.linalg.eigh(spread.T @ spread)[1][:, 0]  # of the least eigenvalue
        offset = -float(normal @ middle)
        sign = -1.0 if offset < 0 else 1.0
        plane = Plane((sign * normal).astype(np.float32), sign * offset)
        near = np.abs(plane.height(points)) < slack
    return plane._replace(support=int(near.sum())), near
