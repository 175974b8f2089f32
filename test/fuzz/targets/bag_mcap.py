# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any MCAP file is read as far as it is sound, or is refused in one line."""

from __future__ import annotations

from fuzz.bags import read_file, recorded


def target(data: bytes) -> None:
    read_file('.mcap', data)


def seeds() -> tuple[bytes, ...]:
    return (
        b'\0' + recorded('mcap'),
        b'\0' + recorded('mcap message'),
        b'\0' + recorded('mcap storage'),
        b'\1' + recorded('mcap file'),
    )
