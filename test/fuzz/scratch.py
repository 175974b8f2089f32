# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files for readers that want a path: in memory where the machine has such a folder."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path


@cache
def folder() -> Path:
    """This process's own; gone when it ends."""
    shared = Path('/dev/shm')  # noqa: S108 - a fresh folder in it
    owner = tempfile.TemporaryDirectory(prefix='fuzz_', dir=shared if shared.is_dir() else None)
    _OWNERS.append(owner)
    return Path(owner.name)


def written(name: str, data: bytes) -> Path:
    """Write a file of the scratch folder anew."""
    path = folder() / name
    path.write_bytes(data)
    return path


_OWNERS: list[tempfile.TemporaryDirectory[str]] = []
