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

_BYTES_A_PIXEL = 4
"""What the worst image costs: 6 nibbles of difference, and a run of its own for every pixel."""


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
    numbers = _numbers(stream[: _BYTES_A_PIXEL * (pixels + 2)])
    zeros, nonzeros = _runs(numbers.tolist(), pixels)
    # Before each run of non-zeros' differences stand its own two lengths.
    zigzag = numbers[: 2 * zeros.size + nonzeros.sum()][_second(2, nonzeros)]
    # A difference is to the last non-zero value, across the zeros in between.
    values = np.cumsum((zigzag >> 1) ^ -(zigzag & 1))
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.uint16).max):
        raise ImageError('the RVL stream is damaged: a depth is outside 16 bits')
    depth = np.zeros(pixels, np.uint16)
    depth[_second(zeros, nonzeros)] = values
    return depth


def _numbers(stream: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Read every number of the stream, padding at its end included."""
    words = stream[: stream.size // 4 * 4].reshape(-1, 4)[:, ::-1]
    nibbles = np.stack([words >> 4, words & 15], axis=-1).ravel()
    # The fourth bit is not set: no group follows.
    last = np.flatnonzero(nibbles < 8).astype(np.int32)  # noqa: PLR2004
    lengths = np.diff(last, prepend=np.int32(-1))
    if lengths.max(initial=0) > _LONGEST:
        raise ImageError('the RVL stream is damaged: a number is longer than 30 bits')
    first = last - lengths + 1
    numbers: NDArray[np.int32] = (nibbles[first] & 7).astype(np.int32)
    for place in range(1, int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > place)
        groups = (nibbles[first[longer] + place] & 7).astype(np.int32)
        numbers[longer] |= groups << (3 * place)
    return numbers


def _runs(numbers: list[int], pixels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find how many zeros and non-zeros take turns; nothing is taken on trust from the header."""
    zeros, nonzeros = [], []
    pixel = number = 0
    while pixel < pixels:
        if number + 1 >= len(numbers):
            raise ImageError(f'the RVL stream ends after {pixel} of {pixels} pixels')
        empty, filled = numbers[number], numbers[number + 1]
        pixel, number = pixel + empty + filled, number + 2 + filled
        if pixel > pixels or number > len(numbers) or empty + filled == 0:
            raise ImageError(f'the RVL stream is damaged before pixel {min(pixel, pixels)}')
        zeros.append(empty)
        nonzeros.append(filled)
    return np.array(zeros, np.int64), np.array(nonzeros, np.int64)


def _second(first: NDArray[np.int64] | int, second: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the second ones where so many of a first and of a second kind take turns."""
    turns = np.empty((second.size, 2), np.int64)
    turns[:, 0], turns[:, 1] = first, second
    return np.repeat(np.tile([False, True], second.size), turns.ravel())
