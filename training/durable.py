# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are whole whenever one looks: the earlier one, or all of the new one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SUFFIX = '.partial'


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place to write to; what is there at the block's end takes the file's place.

    Whether the block fails, the process is killed or the power goes: until then the path holds
    what it held before. What a killed process had written is removed by the next writer of the
    same file; the kernel frees its lock.

    Raises:
        OSError: The file cannot be written.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f'{path.name}.*{_SUFFIX}'):
        with suppress(OSError):
            _remove_unlocked(left)
    partial = path.with_name(f'{path.name}.{os.getpid()}.{os.urandom(4).hex()}{_SUFFIX}')
    mine = os.open(partial, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        with suppress(OSError):  # a file system without locks: nothing is removed there
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield partial
        _to_disk(partial)
        os.replace(partial, path)  # noqa: PTH105 - the atomic call, by its name
        _to_disk(path.parent)
    finally:
        os.close(mine)
        partial.unlink(missing_ok=True)


def _remove_unlocked(left: Path) -> None:
    """Remove a file, if no process writes it.

    Raises:
        OSError: One does, or locks cannot tell.

    """
    descriptor = os.open(left, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left.unlink()
    finally:
        os.close(descriptor)


def _to_disk(path: Path) -> None:
    """Have a file's or a folder's content where a power cut does not reach it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
