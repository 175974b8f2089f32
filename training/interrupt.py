# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C asks a long computation to stop at its next safe point; a second one stops it at once.

So does SIGTERM, which batch systems send some time before they kill.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedError(Exception):
    """A computation that was asked to stop; its message says what was kept."""


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT and the first SIGTERM within the block into an answer.

    Yields:
        A function that says whether to stop.

    """
    asked = False

    def ask(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        # Of this kind alone: a batch system may send both.
        signal.signal(number, previous[signal.Signals(number)])

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
