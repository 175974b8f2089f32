# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any RVL stream decodes as a plain reading of the paper's figure does, or both refuse it."""

from __future__ import annotations

import struct

import numpy as np
from fuzz.promises import attempt

from mm_perception.codecs import rvl

MOST = 4096  # pixels: the plain reading is slow


def target(data: bytes) -> None:
    (pixels,) = struct.unpack('<H', data[:2].ljust(2, b'\0'))
    pixels, stream = 1 + pixels % MOST, data[2:]
    found = attempt(lambda: rvl.decode(np.frombuffer(stream, np.uint8), pixels))
    expected = plainly(stream[: 4 * (pixels + 2)], pixels)  # the worst image; the rest is not read
    assert (found is None) == (expected is None)
    if found is not None:
        assert found.tolist() == expected


def plainly(stream: bytes, pixels: int) -> list[int] | None:
    """Decode number by number; None for what is damaged."""
    numbers = _numbers(stream)
    if numbers is None:
        return None
    depth: list[int] = []
    value = 0
    try:
        while len(depth) < pixels:
            zeros, filled = next(numbers), next(numbers)
            if zeros + filled == 0 or len(depth) + zeros + filled > pixels:
                return None
            depth += [0] * zeros
            for _ in range(filled):
                zigzag = next(numbers)
                value += (zigzag >> 1) ^ -(zigzag & 1)
                if not 0 <= value < 1 << 16:
                    return None
                depth.append(value)
    except StopIteration:
        return None
    return depth


def _numbers(stream: bytes):  # noqa: ANN202 - an iterator, or None
    words = struct.unpack(f'<{len(stream) // 4}I', stream[: len(stream) // 4 * 4])
    numbers, number, shift = [], 0, 0
    for nibble in (word >> place & 15 for word in words for place in range(28, -4, -4)):
        number |= (nibble & 7) << shift
        shift += 3
        if not nibble & 8:
            if shift > 30:
                return None
            numbers.append(number)
            number = shift = 0
    return iter(numbers)


def seeds() -> list[bytes]:
    sizes = [struct.pack('<H', n - 1) for n in (5, 3, 3, 12, MOST)]
    long = '888888b800008088'  # a 3 of twelve nibbles
    streams = ['0023a123', '00126101', long, '000000c00200000000000000', '0' * 16]
    return [size + bytes.fromhex(stream) for size, stream in zip(sizes, streams, strict=True)]
