# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frees the shared memory of processes that were killed, which Fast DDS leaves for good.

Its profile here asks for 67 MB a process, and these tests kill dozens: a machine that ran them all
day would have no memory left. Each segment has a lock file that its process holds while it lives.
"""

from __future__ import annotations

import fcntl
import re
from contextlib import suppress
from pathlib import Path

PLACE = Path('/dev/shm')  # noqa: S108 - where Linux keeps it
_LOCK = re.compile(r'fastrtps_[0-9a-f]{16}_el')


def free_abandoned() -> int:
    """Remove every segment whose process is gone; return their size in bytes."""
    freed = 0
    for lock in PLACE.glob('fastrtps_*_el') if PLACE.is_dir() else ():
        if not _LOCK.fullmatch(lock.name):
            continue  # a port's, which other processes share
        segment = PLACE / lock.name.removesuffix('_el')
        with suppress(OSError), lock.open() as file:  # it may end, or be another user's
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            freed += segment.stat().st_size if segment.exists() else 0
            segment.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
    return freed
