# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bytes → the numbers and choices that a target wants, as libFuzzer's FuzzedDataProvider."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar('T')


class Provider:
    """Takes from the front of the data; when it is used up, everything is 0, and the first."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """How many bytes have not been taken."""
        return max(0, len(self._data) - self._at)

    def take(self, layout: str) -> tuple[Any, ...]:
        """Take what ``struct`` would unpack."""
        size = struct.calcsize(layout)
        return struct.unpack(layout, self.bytes(size).ljust(size, b'\0'))

    def bytes(self, size: int) -> bytes:
        """Take so many bytes, or what there is."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def rest(self) -> bytes:
        """Take all that is left."""
        return self.bytes(self.left)

    def choice(self, options: Sequence[T]) -> T:
        """Take a byte, and choose by it."""
        return options[self.take('B')[0] % len(options)]
