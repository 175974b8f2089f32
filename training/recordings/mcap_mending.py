# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""An MCAP file whose end is missing, made to look whole without touching it.

A recorder that is killed leaves no summary and no footer, and readers refuse the file. Its records
up to the last complete one are sound: here they are followed, in memory, by the footer that says
"no summary", and a reader then scans the records. Source: https://mcap.dev/spec.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_MAGIC = b'\x89MCAP0\r\n'
_RECORD = struct.Struct('<BQ')  # opcode and length
_NO_OPCODE = 0x00  # never valid: zeros that a file system put where data had not yet arrived
_FOOTER = _RECORD.pack(0x02, 20) + struct.pack('<QQI', 0, 0, 0) + _MAGIC


def mended(path: Path) -> tuple[Any, int | None]:
    """Give something that rosbags can open in place of the path.

    Returns:
        The path itself and None when the file's end is there; else a stand-in for the path, whose
        file ends after the last complete record, and how many bytes were lost.

    """
    size = path.stat().st_size
    with path.open('rb') as file:
        file.seek(max(0, size - len(_MAGIC)))
        whole = file.read() == _MAGIC and size >= len(_MAGIC) + len(_FOOTER)
        if whole:
            return path, None
        kept = _sound_length(file, size)
    return _MendedPath(path, kept), size - kept


def _sound_length(file: BinaryIO, size: int) -> int:
    """The length up to which the file consists of complete data records."""
    position = len(_MAGIC)
    while position + _RECORD.size <= size:
        file.seek(position)
        opcode, length = _RECORD.unpack(file.read(_RECORD.size))
        following = position + _RECORD.size + length
        if opcode == _NO_OPCODE or following > size:
            break
        position = following
    return min(position, size)


class _MendedPath:
    """As much of a path as rosbags asks for."""

    def __init__(self, path: Path, kept: int) -> None:
        self.path = path
        self.kept = kept
        self.suffix = '.mcap'

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        return self.path.exists()

    def is_dir(self) -> bool:
        return False

    def open(self, _mode: str) -> BinaryIO:
        return io.BufferedReader(_MendedFile(self.path, self.kept))


class _MendedFile(io.RawIOBase):
    """The first bytes of a file, then a footer."""

    def __init__(self, path: Path, kept: int) -> None:
        self._file = path.open('rb')
        self._kept = kept
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {
            os.SEEK_SET: 0,
            os.SEEK_CUR: self._position,
            os.SEEK_END: self._kept + len(_FOOTER),
        }[whence]
        if origin + offset < 0:
            raise OSError('seek before the start of the file')
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        wanted = len(buffer)
        if self._position < self._kept:
            self._file.seek(self._position)
            data = self._file.read(min(wanted, self._kept - self._position))
        else:
            after = self._position - self._kept
            data = _FOOTER[after : after + wanted]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
