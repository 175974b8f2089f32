# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One thread that always works on the newest item.

Inference takes longer than a frame period on most robots. A queue would make every label older
than the one before; here a new item takes the place of the one that waits, and whoever hands it
over never waits at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar('Item')


class NewestWorker(Generic[Item]):
    """Calls ``work`` on a thread of its own with the newest item submitted."""

    def __init__(
        self, work: Callable[[Item], None], failed: Callable[[Exception], None], name: str
    ) -> None:
        """Start the thread.

        Args:
            work: What to do with an item.
            failed: Told of an exception that ``work`` raised; the thread goes on.
            name: The thread's name, as a debugger shows it.

        """
        self._work = work
        self._failed = failed
        self._condition = threading.Condition()
        self._waiting: list[Item] = []  # one at most
        self._closed = False
        self._since: float | None = None
        self.replaced = 0
        """How many items gave way to a newer one."""
        # A daemon: work that hangs in a driver must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> None:
        """Hand over an item, in place of the one that waits; never blocks on the work."""
        with self._condition:
            if self._closed:
                return
            self.replaced += len(self._waiting)
            self._waiting[:] = [item]
            self._condition.notify()

    def busy_for(self) -> float:
        """Seconds that the item in work has taken so far; 0 when idle."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def close(self, timeout: float) -> bool:
        """Drop the item that waits, let the one in work end, and stop.

        Returns:
            Whether the thread ended within ``timeout`` seconds.

        """
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            self._since = time.monotonic()
            try:
                self._work(item[0])
            except Exception as error:  # noqa: BLE001 - one bad image must not end the thread
                self._failed(error)
            finally:
                self._since = None

    def _next(self) -> tuple[Item] | None:
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._closed)
            return None if self._closed else (self._waiting.pop(),)


class PromptWorker(Generic[Item]):
    """Works on every item at once, on the thread that hands it over: nothing gives way."""

    replaced = 0
    """As ``NewestWorker.replaced``."""

    def __init__(self, work: Callable[[Item], None], failed: Callable[[Exception], None]) -> None:
        """Prepare; see ``NewestWorker``."""
        self._work = work
        self._failed = failed

    def submit(self, item: Item) -> None:
        """Work on an item."""
        try:
            self._work(item)
        except Exception as error:  # noqa: BLE001 - one bad image must not end a whole recording
            self._failed(error)

    def busy_for(self) -> float:
        """Seconds that the item in work has taken so far: nobody can ask while there is one."""
        return 0.0

    def close(self, _timeout: float) -> bool:
        """Stop; there is nothing to wait for."""
        return True
