# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
import tracemalloc
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.codecs import rvl
from mm_perception.errors import ImageError


def encode(depth: list[int]) -> bytes:
    """Encode as the paper's figure 1 does, plainly: the other half, which only tests need."""
    runs = [(bool(key), list(values)) for key, values in groupby(depth, key=bool)]
    if runs and runs[0][0]:
        runs.insert(0, (False, []))
    if runs and not runs[-1][0]:
        runs.append((True, []))
    numbers, previous = [], 0
    for is_filled, values in runs:
        numbers.append(len(values))
        for value in values if is_filled else ():
            delta, previous = value - previous, value
            numbers.append(2 * delta if delta >= 0 else -2 * delta - 1)
    nibbles: list[int] = []
    for number in numbers:
        rest = number
        while rest > 7:
            nibbles.append(rest & 7 | 8)
            rest >>= 3
        nibbles.append(rest)
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        int(''.join(f'{n:x}' for n in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)
    ]
    return struct.pack(f'<{len(words)}I', *words)


def decode(stream: bytes, pixels: int) -> list[int]:
    return rvl.decode(np.frombuffer(stream, np.uint8), pixels).tolist()


def test_bytes_worked_out_by_hand() -> None:
    # 0 0 5 6 4: 2 zeros, 3 non-zeros, differences 5 +1 -2, zigzag 10 2 3.
    # Numbers 2 3 10 2 3; 10 = 0b001_010 is the nibbles A (2, more) and 1. Padded: 2 3 A 1 2 3 0 0.
    assert decode(bytes.fromhex('0023a123'), 5) == [0, 0, 5, 6, 4]


def test_difference_is_to_the_last_distance_before_the_hole() -> None:
    # 3 0 4: 0 zeros, 1 non-zero (+3, zigzag 6), 1 zero, 1 non-zero (+1, zigzag 2).
    # Numbers 0 1 6 1 1 2, padded 0 0; the word's bytes are written lowest first.
    assert decode(bytes.fromhex('00126101'), 3) == [3, 0, 4]


@given(st.lists(st.one_of(st.just(0), st.integers(1, 65535), st.integers(800, 820)), min_size=1))
def test_whatever_is_encoded_is_decoded(depth: list[int]) -> None:
    assert decode(encode(depth), len(depth)) == depth


@given(st.binary(max_size=200), st.integers(1, 500))
def test_random_bytes_are_refused_or_fill_the_image(stream: bytes, pixels: int) -> None:
    try:
        depth = decode(stream, pixels)
    except ImageError:
        return
    assert len(depth) == pixels


def test_truncated_stream_is_refused() -> None:
    stream = encode(list(range(1, 200)))
    with pytest.raises(ImageError, match='RVL stream'):
        decode(stream[: len(stream) // 2], 199)


def test_number_too_long_is_refused() -> None:
    with pytest.raises(ImageError, match='longer than 30 bits'):
        decode(b'\xff' * 8 + b'\x00' * 4, 5)


def test_depth_beyond_16_bits_is_refused() -> None:
    with pytest.raises(ImageError, match='outside 16 bits'):
        decode(encode([70000]), 1)


def test_what_follows_the_last_pixel_is_not_read() -> None:
    stream = np.frombuffer(bytes.fromhex('0023a123') + bytes(10_000_000), np.uint8)
    tracemalloc.start()
    try:
        assert rvl.decode(stream, 5).tolist() == [0, 0, 5, 6, 4]
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_the_worst_image_is_read() -> None:
    # Every pixel a run of its own, and every difference as large as can be.
    depth = [0 if i % 2 else (65535, 1)[i // 2 % 2] for i in range(1000)]
    assert decode(encode(depth), 1000) == depth
    assert decode(encode([65535, 1] * 500), 1000) == [65535, 1] * 500
