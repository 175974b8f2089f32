# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Networks are not run while one is traced.

While torch.fx traces a network it exchanges what calling a module does, for all threads: a camera
that is labelled meanwhile would get errors in place of labels. So many may compute at a time, or
one may trace, which takes a tenth of a second.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE = 10.0
"""Seconds after which nobody waits any more: a computation that hangs must not hold up others."""


class _Turns:
    """Who may call modules now."""

    def __init__(self) -> None:
        self._one = threading.Lock()  # traces
        self._free = threading.Condition()
        self._computing = 0
        self._tracing = False

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Wait for a tracing to end; until the block's end none begins."""
        with self._free:
            self._free.wait_for(lambda: not self._tracing, _PATIENCE)
            self._computing += 1
        try:
            yield
        finally:
            with self._free:
                self._computing -= 1
                self._free.notify_all()

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Wait for what is under way; until the block's end nothing else begins."""
        with self._one:
            with self._free:
                self._tracing = True
                self._free.wait_for(lambda: not self._computing, _PATIENCE)
            try:
                yield
            finally:
                with self._free:
                    self._tracing = False
                    self._free.notify_all()


_TURNS = _Turns()
computing, tracing = _TURNS.computing, _TURNS.tracing
