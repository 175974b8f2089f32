# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How far what is in a box moves from one colour picture to the next.

Corners are followed by pyramidal Lucas-Kanade, there and back again: those that do not come back to
where they were are not believed, and the box moves by the median of the others (Kalal, Mikolajczyk
& Matas, Forward-backward error, ICPR 2010).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mm_perception.objects.boxes import Box

Grey = NDArray[np.uint8]
Points = NDArray[np.float32]
Shift = tuple[float, float]

_ROWS = 240  # of the pictures that are compared
_CORNERS = 30  # a box
_QUALITY = 0.01  # of the best corner's strength
_APART = 4  # pixels between two corners
_SMALLEST = 4  # pixels: a smaller box has no corners
_FEWEST = 5  # corners that a box's motion is known by
_SHARE = 0.5  # of its corners that have to be found again
_ASTRAY = 1.0  # pixels that a corner may miss its place by, there and back again
_WINDOW = (15, 15)
_LEVELS = 3


def grey_of(image: NDArray[np.uint8]) -> Grey:
    """Make a small grey picture of a colour image, H×W×3.

    Green alone is nearly what the eye calls bright, wherever the driver puts it.
    """
    green = np.ascontiguousarray(image[..., 1])
    height, width = green.shape
    if height <= _ROWS:
        return green
    size = max(1, round(width * _ROWS / height)), _ROWS
    return cv2.resize(green, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def shifts(before: Grey, after: Grey, boxes: Sequence[Box]) -> list[Shift | None]:
    """Tell how far each box has moved.

    Args:
        before: The picture that the boxes are of.
        after: A later one.
        boxes: Where to look.

    Returns:
        For each box its way across and down, in fractions of the image; None where it cannot be
        told.

    """
    if not boxes or before.shape != after.shape:
        return [None] * len(boxes)
    corners = [_corners(before, box) for box in boxes]
    ways, believed = _followed(before, after, np.concatenate(corners))
    ends = np.cumsum([len(each) for each in corners])
    scale = np.array(before.shape[::-1], np.float32)
    found: list[Shift | None] = []
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        good = ways[start:end][believed[start:end]]
        if len(good) < max(_FEWEST, _SHARE * (end - start)):
            found.append(None)
        else:
            across, down = np.median(good, axis=0) / scale
            found.append((float(across), float(down)))
    return found


def _corners(grey: Grey, box: Box) -> Points:
    height, width = grey.shape
    box = box.inside()
    left, right = round(box.left * width), round(box.right * width)
    top, bottom = round(box.top * height), round(box.bottom * height)
    part = grey[top:bottom, left:right]
    if min(part.shape) < _SMALLEST:
        return np.empty((0, 2), np.float32)
    corners = cv2.goodFeaturesToTrack(part, _CORNERS, _QUALITY, _APART)
    if corners is None:
        return np.empty((0, 2), np.float32)
    found: Points = np.asarray(corners, np.float32).reshape(-1, 2)
    return found + np.array((left, top), np.float32)


def _followed(before: Grey, after: Grey, points: Points) -> tuple[Points, NDArray[np.bool_]]:
    """Give each point's way, and whether it is to be believed."""
    if not len(points):
        return points, np.empty(0, bool)
    there, found = _lucas_kanade(before, after, points)
    back, found_again = _lucas_kanade(after, before, there)
    astray = np.linalg.norm(back - points, axis=1)
    return there - points, found & found_again & (astray < _ASTRAY)


def _lucas_kanade(before: Grey, after: Grey, points: Points) -> tuple[Points, NDArray[np.bool_]]:
    guess = points.copy()
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        before, after, points, guess, winSize=_WINDOW, maxLevel=_LEVELS
    )
    return np.asarray(moved, np.float32), np.asarray(status).ravel() > 0
