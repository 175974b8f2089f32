# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of small bags that never outgrows its limit: the oldest make room for the next.

Only bags that are named as ours, and only their own files, are ever removed. A bag's number, not
its time, tells its age: a robot's clock is often set after the start. Its time makes its name
unlike that of any bag that was taken away earlier, since labels know a bag by its name.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from mm_perception.uncertain.small_bag import (
    Message,
    SmallBag,
    database_of,
    finish_left,
    remove,
    size_of,
)

FRAMES = 20
"""Frames in a bag at most."""

_SHARE = 10  # a bag takes no more than the limit's tenth, so that little is lost at a time
_OURS = re.compile(r'\.?uncertain_(\d{6,9})_\d{8}T\d{6}Z')
_OVERHEAD = 1 << 16  # bytes of SQLite's pages, its journal and the metadata beside a frame's own


class BoundedFolder:
    """The folder; one thread's alone. Several processes may share it, and then its limit, too."""

    def __init__(self, path: Path) -> None:
        """Begin, without a look at the disk.

        Args:
            path: The folder, which has to be there when a frame is written: one that vanished is
                not made anew, for it may be a disk that was taken out.

        """
        self.path = path
        self._bag: SmallBag | None = None

    def write(self, messages: Sequence[Message], limit: int) -> bool:
        """Write a frame, and remove what is too much.

        Args:
            messages: The frame's.
            limit: Bytes.

        Returns:
            Whether it was written: one that is larger than the limit is not.

        Raises:
            OSError: The disk is full, or gone. The bag is left to be finished later.
            sqlite3.Error: Likewise.

        """
        needed = sum(len(message.data) for message in messages) + _OVERHEAD
        if needed > limit:
            return False
        try:
            self._make_room(needed, limit)
            if self._bag is None:
                self._bag = self._begun()
            self._bag.write(messages)
            if self._bag.frames >= FRAMES or self._bag.size > limit / _SHARE:
                self.finish()
        except (OSError, sqlite3.Error):
            self.abandon()
            raise
        return True

    def finish(self) -> None:
        """Show the bag under way, if there is one.

        Raises:
            OSError: It cannot be completed.
            sqlite3.Error: Likewise.

        """
        bag, self._bag = self._bag, None
        if bag is not None:
            bag.finish()

    def abandon(self) -> None:
        """Leave the bag under way to be finished later."""
        bag, self._bag = self._bag, None
        if bag is not None:
            bag.abandon()

    def size(self) -> int:
        """Bytes of all our bags, the unfinished among them."""
        return sum(map(size_of, self._ours()))

    def bags(self) -> list[Path]:
        """Give the finished bags, the oldest first."""
        shown = [folder for folder in self._ours() if not folder.name.startswith('.')]
        return sorted(shown, key=lambda folder: (_number(folder), folder.name))

    def _make_room(self, needed: int, limit: int) -> None:
        while self.size() + needed > limit:
            oldest = next(iter(self.bags()), None)
            if oldest is not None:
                remove(oldest)
            elif self._bag is not None:
                self.finish()  # then it is the oldest
            else:
                return  # what is left, others write

    def _begun(self) -> SmallBag:
        for folder in self._ours():
            if folder.name.startswith('.'):
                finish_left(folder)
        number = 1 + max(map(_number, self._ours()), default=0)
        now = datetime.now(timezone.utc)
        while True:
            with suppress(FileExistsError):  # another process's
                return SmallBag(self.path / f'uncertain_{number:06d}_{now:%Y%m%dT%H%M%SZ}')
            number += 1

    def _ours(self) -> list[Path]:
        """Give the folders that are bags of ours, hidden ones too."""
        return [
            folder
            for folder in self.path.iterdir()
            if _OURS.fullmatch(folder.name)
            and not folder.is_symlink()
            and (folder.name.startswith('.') or database_of(folder).is_file())
        ]


def _number(folder: Path) -> int:
    match = _OURS.fullmatch(folder.name)
    return int(match[1]) if match else 0
