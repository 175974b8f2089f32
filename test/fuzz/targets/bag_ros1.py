# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any ROS 1 bag is read as far as it is sound, or is refused in one line."""

from __future__ import annotations

from fuzz.bags import read_file, recorded


def target(data: bytes) -> None:
    read_file('.bag', data)


def seeds() -> tuple[bytes, ...]:
    return tuple(b'\0' + recorded(kind) for kind in ('ros1', 'ros1 lz4', 'ros1 bz2'))
