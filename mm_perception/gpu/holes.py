# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Filling depth's holes with the nearest distance, without going from pixel to pixel.

Of a column's valid pixels, the one that is the fewest rows away is the nearest, however far across
the column is. So its minimum can be taken in every column first, and then over the columns, as
Felzenszwalb & Huttenlocher do it (*Distance Transforms of Sampled Functions*, Theory of Computing
8, 2012, §2.1): by two running extrema, and by trying each column.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SIDE, _DIAGONAL, _KNIGHT = (round(step * 65536) for step in (1, 1.4, 2.1969))
_BITS = 1 << 13  # more than any image has rows and columns together
_AT_ONCE = 1 << 24
"""Pixels that are compared at a time: 128 MiB of memory."""
_MOST = 1 << 28
"""Pixels that are compared at all; an image of 640×480 has 1.9e8 to compare."""


def can_fill(height: int, width: int) -> bool:
    """Whether an image is so small that trying each column is no waste."""
    return height * width * width <= _MOST


class HoleFilling(nn.Module):
    """Gives each pixel without a distance that of its nearest pixel that has one.

    Nearest is by OpenCV's 5×5 chamfer distance, as in ``preprocessing.fill_holes``. Of several that
    are as near it is the same one but for one hole in a thousand.
    """

    order: Tensor
    across: Tensor

    def __init__(self, height: int, width: int) -> None:
        """Prepare for images of that many pixels."""
        super().__init__()
        columns = torch.arange(width)
        self.register_buffer('order', _order(height, width))
        self.register_buffer('across', columns - columns[:, None] + width)  # from here, to there

    def forward(self, depth: Tensor) -> Tensor:
        """Fill holes.

        Args:
            depth: [N, H, W] in metres; NaN, infinite, 0 and negative are holes. No image may be all
                holes: what comes of one is a hole.

        Returns:
            [N, H, W].

        """
        N, H, W = depth.shape
        down = _in_column((depth > 0) & (depth < torch.inf))
        rows = torch.split(down + H + W, max(1, _AT_ONCE // (N * W * W)), 1)
        column = torch.cat([self._nearest_column(each) for each in rows], 1)
        here = torch.arange(H, device=depth.device)[:, None]
        row = (here + down.gather(2, column)).clamp(0, H - 1)
        return depth.flatten(1).gather(1, (row * W + column).flatten(1)).view_as(depth)

    def _nearest_column(self, down: Tensor) -> Tensor:
        """Give the column in which each pixel's nearest valid one is, [N, rows, W]."""
        return self.order[self.across, down[:, :, None]].argmin(-1)


def _in_column(valid: Tensor) -> Tensor:
    """Give how many rows down the nearest valid pixel of each pixel's column is, [N, H, W]."""
    N, H, W = valid.shape
    none = H + W  # farther than any
    rows = torch.arange(H, device=valid.device)[:, None].expand(N, H, W)
    above = torch.where(valid, rows, -none).cummax(1).values
    below = torch.where(valid, rows, H + none).flip(1).cummin(1).values.flip(1)
    up, down = (rows - above).clamp(max=none), (below - rows).clamp(max=none)
    return torch.where(up <= down, -up, down)


def _order(H: int, W: int) -> Tensor:
    """Rank pixels by how many columns across and rows down they are; the least is the nearest.

    OpenCV goes through an image once forwards and once backwards, and keeps what it found first:
    of pixels as near, those before this one in reading order, then the farthest up or down, then
    the one that the pass comes to first.

    Returns:
        [2W + 1, 2(H + W) + 1] long, for −W … W across and −(H + W) … H + W down.

    """
    across = torch.arange(-W, W + 1)[:, None]
    down = torch.arange(-(H + W), H + W + 1)
    behind = (down > 0) | ((down == 0) & (across > 0))
    along = torch.where(behind, -across, across) + W
    tied = (behind.long() * _BITS - down.abs() + H + W) * _BITS + along
    return _chamfer(across.abs(), down.abs()) * (4 * _BITS**2) + tied


def _chamfer(across: Tensor, down: Tensor) -> Tensor:
    """OpenCV's distance of pixels so many columns and rows apart, in 65536ths: shortest paths."""
    longer, shorter = torch.maximum(across, down), torch.minimum(across, down)
    flat = _SIDE * longer + (_KNIGHT - 2 * _SIDE) * shorter
    steep = (_KNIGHT - _DIAGONAL) * longer + (2 * _DIAGONAL - _KNIGHT) * shorter
    return torch.maximum(flat, steep)
