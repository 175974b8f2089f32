# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A seed and a program of edits → a hostile input.

Hypothesis draws the program and shrinks it; a campaign without coverage guidance rolls it. Either
way most of an input stays what a real camera, recorder or trainer wrote, and gets past the first
check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

TOKENS = (
    *(n.to_bytes(size, order) for n in (0, 1) for size in (2, 4, 8) for order in ('little', 'big')),
    *(bytes([byte]) * size for byte in (0x7F, 0xFF) for size in (1, 2, 4, 8)),
    (60_000).to_bytes(4, 'little') * 2,
    (60_000).to_bytes(4, 'big') * 2,
    b'\0\0\x80\x7f',  # infinity, and no number, as little-endian float32
    b'\0\0\xc0\x7f',
    *(b'\n', b'\r\n', b'\0', b'\x1b[2J', b'"', b',', b': ', b'- ', b'[', b'{', b'}', b']', b'? '),
    *(b'&a ', b'*a', b'<<: *a', b'[*a, *a, *a, *a]', b'!!float ', b'!!int ', b'!!timestamp '),
    *(b'!!python/object/apply:os.system [id]', b'.nan', b'-.inf', b'1e999', b'1:60:60', b'0x'),
    *(
        b'2001-99-99',
        b'null',
        b'true',
        b'~',
        b'[[[[[[[[',
        b'9' * 30,
        b'-1',
        b'\xc3\x28',
        b'"\\ud800"',
    ),
    *(
        b'../../etc/passwd',
        b'/dev/zero',
        b'unknown',
        b'Unknown',
        b'\xef\xbb\xbf',
        b'1e-400',
        b'inf',
    ),
)
"""What parsers trip over: extreme numbers in every size and order, and YAML's and CSV's marks."""

_EDIT = 4  # bytes of program each: what to do, where (two), and with what


def mutated(seed: bytes, program: bytes) -> bytes:
    """Apply a program to a seed, four bytes an edit; the empty program changes nothing."""
    data = bytearray(seed)
    for edit in _batches(program):
        what, place, value = edit[0], int.from_bytes(edit[1:3], 'big'), edit[3]
        # A quarter of the edits hit the first bytes: headers are small parts of large files.
        reach = min(len(data), 64) if what & 0xC0 == 0 else len(data)
        _EDITS[what % len(_EDITS)](data, place * reach // 0x10000, value)
    return bytes(data)


def _batches(program: bytes) -> Iterator[bytes]:
    for start in range(0, len(program) - _EDIT + 1, _EDIT):
        yield program[start : start + _EDIT]


def _set(data: bytearray, place: int, value: int) -> None:
    data[place : place + 1] = bytes([value])


def _flip(data: bytearray, place: int, value: int) -> None:
    if data:
        data[place] ^= 1 << value % 8


def _write(data: bytearray, place: int, value: int) -> None:
    token = TOKENS[value % len(TOKENS)]
    data[place : place + len(token)] = token


def _insert(data: bytearray, place: int, value: int) -> None:
    data[place:place] = TOKENS[value % len(TOKENS)]


def _remove(data: bytearray, place: int, value: int) -> None:
    del data[place : place + value + 1]


def _cut(data: bytearray, place: int, _value: int) -> None:
    del data[place:]


def _repeat(data: bytearray, place: int, value: int) -> None:
    data[place:place] = data[place : place + value % 64 + 1] * (value // 64 + 1)


_EDITS: Sequence[Callable[[bytearray, int, int], None]] = (
    *(_set, _flip, _write, _insert, _remove, _repeat, _cut),
)


def rolled(rng: random.Random) -> bytes:
    """Roll a program: one edit, or two, or four, … or 32."""
    return rng.randbytes(_EDIT << rng.randrange(6))
