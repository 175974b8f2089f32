# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A table and what stands on it as seen from straight above, where nothing hides anything."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mm_perception.objects.plane import Flags, Floats

Numbers = NDArray[np.intp]

_PATCH = 0.04  # metres: cells of the table's own area
_FINEST = 1024  # cells across and down at most
_BORDER = 2  # empty cells around all
_DOT = 9  # cells of a point and its neighbours, which have no hull but themselves


class Area(NamedTuple):
    """A part of the plane, seen from above.

    Attributes:
        mask: [rows, columns], 1 where it is.
        origin: Of the mask, metres.
        cell: Metres.

    """

    mask: NDArray[np.uint8]
    origin: Floats
    cell: float

    def holds(self, ground: Floats) -> Flags:
        """Tell which of N points, [2, N] metres, lie in it."""
        rows, columns = _cells(ground, self.origin, self.cell)
        inside = (rows >= 0) & (rows < self.mask.shape[0])
        inside &= (columns >= 0) & (columns < self.mask.shape[1])
        rows[~inside] = columns[~inside] = 0  # which is never a part of it
        held: Flags = self.mask[rows, columns] > 0
        return held


def _cells(ground: Floats, origin: Floats, cell: float) -> Numbers:
    cells: Numbers = np.floor((ground - origin[:, None]) * np.float32(1 / cell)).astype(np.intp)
    return cells


def _drawn(ground: Floats, cell: float) -> tuple[Area, Numbers]:
    """Mark the cells that points lie in, each with its neighbours; give each point's, [2, N]."""
    first, last = ground.min(1), ground.max(1)
    cell = max(cell, float((last - first).max()) / _FINEST)
    origin = first - np.float32(_BORDER * cell)
    cells = _cells(ground, origin, cell)
    mask = np.zeros(cells.max(1) + 1 + _BORDER, np.uint8)
    mask[cells[0], cells[1]] = 1
    joined = cv2.dilate(mask, np.ones((3, 3), np.uint8))
    return Area(joined.astype(np.uint8, copy=False), origin, cell), cells


def largest_piece(ground: Floats) -> Area:
    """Give the convex hull of the largest group of N points, [2, N] metres."""
    drawn, _ = _drawn(ground, _PATCH)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(drawn.mask, connectivity=8)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    corners = np.argwhere(labels == largest)[:, ::-1].astype(np.int32)
    mask = np.zeros_like(drawn.mask)
    cv2.fillConvexPoly(mask, cv2.convexHull(corners), 1)
    return drawn._replace(mask=mask)


def group(ground: Floats, gap: float) -> Numbers:
    """Divide points into those that lie together.

    Args:
        ground: [2, N] metres.
        gap: What is nearer than this is together, and what is twice as far is not.

    Returns:
        [N], the number of each point's group, from 1.

    """
    drawn, (rows, columns) = _drawn(ground, gap / 2)
    count, labels = cv2.connectedComponents(drawn.mask, connectivity=8)
    # Of a bowl one often sees the outside of its front and the inside of its back, and nothing
    # between them; yet the one's hull reaches to the other's.
    hulls = drawn.mask.copy()
    for corners in _corners(np.asarray(labels), count):
        if len(corners) > _DOT:
            cv2.fillConvexPoly(hulls, cv2.convexHull(corners), 1)
    _, labels = cv2.connectedComponents(hulls, connectivity=8)
    groups: Numbers = np.asarray(labels)[rows, columns].astype(np.intp)
    return groups


def _corners(labels: NDArray[np.int32], count: int) -> list[NDArray[np.int32]]:
    """Give the cells of each component, as OpenCV wants points: column, row."""
    rows, columns = np.nonzero(labels)
    of_cell = labels[rows, columns]
    order = np.argsort(of_cell, kind='stable')
    cells = np.stack([columns, rows], axis=1)[order].astype(np.int32)
    return np.split(cells, np.searchsorted(of_cell[order], np.arange(2, count)))
