# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C asks a long computation to stop at its next safe point; a second one stops it at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedError(Exception):
    """A computation that was asked to stop; its message says what was kept."""


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT within the block into an answer.

    Yields:
        A function that says whether to stop.

    """
    asked = False

    def ask(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, previous)
