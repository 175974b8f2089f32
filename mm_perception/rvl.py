# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""RVL, the lossless depth codec that compressedDepth offers beside PNG.

A. D. Wilson, *Fast Lossless Depth Image Compression*, ISS 2017. The image is a row of runs: how
many zeros, how many non-zeros, then each non-zero's difference to the one before it (zigzag: 0, -1,
1, -2, … become 0, 1, 2, 3, …). Each number is written in groups of three bits, lowest first, with a
fourth bit that says whether another group follows; eight of these nibbles, first one highest, are a
little-endian 32-bit word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mm_perception.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST = 10
"""Nibbles in the longest number that is read: 30 bits, more than any image's run or depth."""


def decode(stream: NDArray[np.uint8], pixels: int) -> NDArray[np.uint16]:
    """Decode ``pixels`` depth values.

    Args:
        stream: The encoded bytes, without any header.
        pixels: How many values to decode; the caller bounds it.

    Returns:
        ``pixels`` values, 0 where there is no depth.

    Raises:
        ImageError: The stream is damaged, or ends early.

    """
    numbers = _numbers(stream)
    runs, taken = _runs(numbers, pixels)
    # A difference is to the last non-zero value, across the zeros in between.
    zigzag = numbers[taken]
    values = np.cumsum((zigzag >> 1) ^ -(zigzag & 1))
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.uint16).max):
        raise ImageError('the RVL stream is damaged: a depth is outside 16 bits')
    depth = np.zeros(pixels, np.uint16)
    depth[runs] = values
    return depth


def _numbers(stream: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Read every number of the stream, padding at its end included."""
    words = stream[: stream.size // 4 * 4].reshape(-1, 4)[:, ::-1]
    nibbles = np.stack([words >> 4, words & 15], axis=-1).ravel()
    last = np.flatnonzero(nibbles < 8)  # noqa: PLR2004 - the fourth bit: no group follows
    if last.size == 0:
        return np.zeros(0, np.int32)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > _LONGEST:
        raise ImageError('the RVL stream is damaged: a number is longer than 30 bits')
    numbers: NDArray[np.int32] = (nibbles[first] & 7).astype(np.int32)
    longer = np.arange(last.size)
    for place in range(1, int(lengths.max())):
        longer = longer[lengths[longer] > place]
        groups = (nibbles[first[longer] + place] & 7).astype(np.int32)
        numbers[longer] |= groups << (3 * place)
    return numbers


def _runs(numbers: NDArray[np.int32], pixels: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Find which pixels are non-zero, and which of the numbers are their differences."""
    filled = np.zeros(pixels, np.bool_)
    taken = np.zeros(numbers.size, np.bool_)
    pixel = number = 0
    while pixel < pixels:
        if number + 1 >= numbers.size:
            raise ImageError(f'the RVL stream ends after {pixel} of {pixels} pixels')
        zeros, nonzeros = int(numbers[number]), int(numbers[number + 1])
        pixel, number = pixel + zeros, number + 2
        if pixel + nonzeros > pixels or number + nonzeros > numbers.size or zeros + nonzeros == 0:
            raise ImageError(f'the RVL stream is damaged near pixel {min(pixel, pixels)}')
        filled[pixel : pixel + nonzeros] = True
        taken[number : number + nonzeros] = True
        pixel, number = pixel + nonzeros, number + nonzeros
    return filled, taken
