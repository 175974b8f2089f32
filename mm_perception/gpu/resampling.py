# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Scaling and padding as two matrix products, for which a GPU is made.

A pixel of the scaled image is a weighted mean of a row's pixels and then of a column's, and one
that pads it is a copy: both are rows of a matrix. The weights are those of OpenCV's ``INTER_AREA``
when shrinking and ``INTER_LINEAR`` when enlarging, as `preprocessing.fit_square` has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mm_perception.preprocessing import fitted

if TYPE_CHECKING:
    from numpy.typing import NDArray


def square_weights(height: int, width: int, size: int) -> tuple[Tensor, Tensor]:
    """Give the matrices that scale an image's longer side to size, and pad its shorter one.

    Args:
        height: Pixels.
        width: Pixels.
        size: Side of the square.

    Returns:
        float32 [size, height] and [size, width], D and A: D @ image @ A.T is the square.

    """
    down, across = fitted(height, width, size)
    shrinks = max(height, width) > size
    return _weights(height, down, size, shrinks), _weights(width, across, size, shrinks)


def to_square(images: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
    """Scale and pad.

    Args:
        images: [N, H, W] or [N, H, W, C], float32.
        weights: Of `square_weights`, for H and W.

    Returns:
        [N, size, size] or [N, size, size, C], not rounded.

    """
    down, across = weights
    return torch.einsum('tw,nsw...->nst...', across, torch.einsum('sh,nh...->ns...', down, images))


def _weights(source: int, scaled: int, size: int, shrinks: bool) -> Tensor:
    rows = _area(source, scaled) if shrinks else _linear(source, scaled)
    before = (size - scaled) // 2
    nearest = np.clip(np.arange(size) - before, 0, scaled - 1)  # the border's pixels, repeated
    return torch.from_numpy(rows[nearest].astype(np.float32))


def _area(source: int, scaled: int) -> NDArray[np.float64]:
    """Weigh each pixel by how much of it falls into the scaled one."""
    ratio = source / scaled
    start = np.arange(scaled)[:, None] * ratio
    pixel = np.arange(source)[None]
    covered = np.minimum(start + ratio, pixel + 1) - np.maximum(start, pixel)
    weights = np.maximum(covered, 0)
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _linear(source: int, scaled: int) -> NDArray[np.float64]:
    """Weigh the two pixels whose middles the scaled one's middle lies between."""
    middle = np.clip((np.arange(scaled) + 0.5) * (source / scaled) - 0.5, 0, source - 1)
    apart = np.abs(middle[:, None] - np.arange(source)[None])
    return np.asarray(np.round(2048 * np.maximum(1 - apart, 0)) / 2048)  # as OpenCV's of uint8
