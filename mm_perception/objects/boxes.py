# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A rectangle in fractions of the image: the same in colour and depth of any resolution."""

from __future__ import annotations

import math
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle in fractions of the image, its left top corner first."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.top + self.height

    @property
    def area(self) -> float:
        """As a fraction of the image's."""
        return self.width * self.height

    @property
    def eccentricity(self) -> float:
        """How far its middle lies from the image's, in fractions of the image."""
        return math.hypot(self.left + self.width / 2 - 0.5, self.top + self.height / 2 - 0.5)

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        return width * height / (self.area + other.area - width * height)

    def moved(self, across: float, down: float) -> Box:
        """Shift it, beyond the image if need be."""
        return self._replace(left=self.left + across, top=self.top + down)

    def widened(self, margin: float) -> Box:
        """Add a margin at each side, as a fraction of its own size."""
        across, down = margin * self.width, margin * self.height
        return Box(
            self.left - across, self.top - down, self.width + 2 * across, self.height + 2 * down
        )

    def drawn_to(self, other: Box, share: float) -> Box:
        """Move each edge this share of its way to the other's."""
        return Box(*(a + share * (b - a) for a, b in zip(self, other, strict=True)))

    def inside(self) -> Box:
        """Cut off what is beyond the image; of a box wholly beyond it nothing is left."""
        left, top = max(self.left, 0.0), max(self.top, 0.0)
        right, bottom = min(self.right, 1.0), min(self.bottom, 1.0)
        return Box(left, top, max(right - left, 0.0), max(bottom - top, 0.0))
