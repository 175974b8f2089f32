# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Things to read that other processes can import."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mm_perception.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Counting:
    """Counts, and then may break off.

    Attributes:
        name: For a person.
        count: How many items there are.
        pause: Seconds that each takes.
        end: ``fail``, ``die`` or ``warn``; nothing when empty.

    """

    name: str
    count: int
    pause: float = 0.0
    end: str = ''

    def __iter__(self) -> Iterator[str]:
        for number in range(self.count):
            time.sleep(self.pause)
            yield f'{self.name} {number}'
        if self.end == 'fail':
            raise ImageError(f'{self.name}: broken')
        if self.end == 'die':
            os.kill(os.getpid(), signal.SIGKILL)
        if self.end == 'warn':
            logging.getLogger('jobs').warning('%s: look at %s', self.name, Path('here'))


@dataclass(frozen=True)
class Endless:
    """Gives a megabyte again and again, and has a folder open that tells how often."""

    folder: Path

    name = 'endless'

    def __iter__(self) -> Iterator[bytes]:
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            for number in range(1_000_000):
                (Path(scratch) / str(number)).touch()
                yield bytes(1_000_000)
