# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of a session: started with a log, watched, and ended for certain."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from mm_perception.errors import MMPerceptionError
from training.live.events import Event, read_event, write_event

if TYPE_CHECKING:
    from typing_extensions import Self

_PATIENCE = 5.0  # seconds that a process has to end after each signal
_LAST_LINES = 3  # of a log, to tell why its process died


class SessionError(MMPerceptionError):
    """A process of the session died, refused to work, or did not get ready in time."""


class Child:
    """A process whose end is taken care of; use it in a ``with`` statement."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        told: Callable[[Event], None] | None = None,
    ) -> None:
        """Start it.

        Args:
            name: What to call it in errors.
            command: The program and its arguments.
            environment: Its whole environment.
            log: Takes its standard error, and its output where no events are expected.
            told: Takes the events that it writes to its standard output, on a thread.

        Raises:
            SessionError: It cannot be started.

        """
        self.name, self.log = name, log
        self._stopping = False
        output = None if told is None else subprocess.PIPE
        with log.open('wb') as file:
            try:
                # Of a session of its own: Ctrl-C is for us, who then end it in order.
                self._process = subprocess.Popen(  # noqa: S603 - our own programs
                    command,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output or file,
                    stderr=file,
                    start_new_session=True,
                )
            except OSError as error:
                raise SessionError(f'{name}: cannot be started: {error}') from error
        self._reader: threading.Thread | None = None
        if told is not None:
            self._reader = threading.Thread(target=self._read, args=(told,), daemon=True)
            self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def fault(self) -> str | None:
        """Why it cannot be counted on any more, on one line with its last words; None: it lives."""
        code = self._process.poll()
        if code is None or (self._reader is not None and self._reader.is_alive()):
            return None
        how = f'killed by {_signal_name(-code)}' if code < 0 else f'ended with code {code}'
        return f'{self.name}: {how}: {self.last_words()} ({self.log})'

    def last_words(self) -> str:
        """The last lines of its log, on one line."""
        lines = self.log.read_text(encoding='utf-8', errors='replace').splitlines()
        told = [line.strip() for line in lines if line.strip()]
        return ' | '.join(told[-_LAST_LINES:]) or 'it said nothing'

    def stop(self) -> None:
        """End it: with SIGINT; if it does not listen with SIGTERM, and with SIGKILL at last."""
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                if self._end(number):
                    break
        except BaseException:  # an impatient Ctrl-C: nothing may be left behind
            self._process.kill()
            raise
        if self._reader is not None:
            self._reader.join(_PATIENCE)

    def _end(self, number: signal.Signals) -> bool:
        """Send a signal, and tell whether the process has ended within a while."""
        if not self.ended:
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
        return self.ended

    def _read(self, told: Callable[[Event], None]) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        for line in self._process.stdout:
            try:
                event = read_event(line)
            except ValueError:
                continue  # a library's chatter
            told(event)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f'signal {number}'


class Inbox:
    """Events of several processes in one place, and in a file."""

    def __init__(self, path: Path) -> None:
        """Begin the file; another of that name is written over."""
        self.events: list[Event] = []
        self._waiting: queue.Queue[Event] = queue.Queue()
        self._file = path.open('w', encoding='utf-8')

    def put(self, event: Event) -> None:
        """Take an event; from any thread."""
        self._waiting.put(event)

    def fetch(self) -> list[Event]:
        """Give all that have come since the last time."""
        fresh: list[Event] = []
        with contextlib.suppress(queue.Empty):
            while True:
                fresh.append(self._waiting.get_nowait())
        self.events += fresh
        self._file.writelines(f'{write_event(event)}\n' for event in fresh)
        return fresh

    def close(self) -> None:
        """Take what is left, and end the file."""
        self.fetch()
        self._file.close()
