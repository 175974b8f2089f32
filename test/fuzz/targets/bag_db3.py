# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any SQLite file of rosbag2 is read as far as it is sound, or is refused in one line."""

from __future__ import annotations

from fuzz.bags import read_file, recorded


def target(data: bytes) -> None:
    read_file('.db3', data)


def seeds() -> tuple[bytes, ...]:
    return (
        b'\0' + recorded('sqlite3'),
        b'\0' + recorded('sqlite3 message'),
        b'\1' + recorded('sqlite3 file'),
    )
