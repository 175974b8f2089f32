# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``train fit`` as a child process: started, followed, and stopped from the page."""

from __future__ import annotations

import codecs
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import IO, Any

from mm_perception.errors import MMPerceptionError, one_line

_LOGGER = logging.getLogger(__name__)
_ESCAPES = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]')
_BAR = re.compile(r'(?P<what>\S.*?) +[━╸╺ ]+ +(?P<done>\d+)/(?P<total>\d+|\?)')
_ENDS = re.compile(r'[\r\n]')
_LINES = 200  # of what it said, kept
_PATIENCE = 20.0  # seconds to keep a checkpoint in


class Fitting:
    """One fit after another, never two at a time."""

    def __init__(self, command: Sequence[str], done: Callable[[], None]) -> None:
        """Prepare.

        Args:
            command: The words after ``train``.
            done: Called on a thread when a fit has made a bundle; may raise MMPerceptionError.

        """
        self._command, self._done = command, done
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._status: dict[str, Any] = {'state': 'idle'}
        self._lines: list[str] = []
        self.made_one = False

    @property
    def status(self) -> dict[str, Any]:
        """How it stands: ``state`` is idle, running, done, failed or stopped."""
        with self._lock:
            return {**self._status, 'lines': self._lines[-8:]}

    def start(self) -> bool:
        """Start a fit, if none is running."""
        with self._lock:
            if self._status['state'] in {'running', 'stopping'}:
                return False
            # Without a terminal rich shows no bars, unless it is told that this is one.
            asked = {'TTY_COMPATIBLE': '1', 'TTY_INTERACTIVE': '1', 'NO_COLOR': '1'}
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, '-m', 'training.labelling.tethered', *self._command],
                env={**os.environ, **asked, 'COLUMNS': '100'},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us, who then end it in order
            )
            self._lines, self._status = [], {'state': 'running', 'what': 'starting'}
            threading.Thread(target=self._follow, args=(self._process,), daemon=True).start()
            return True

    def stop(self) -> None:
        """End the fit that is running, if one is, and wait for that."""
        with self._lock:
            process = self._process
            if process is None or process.poll() is not None:
                return
            self._status = {**self._status, 'state': 'stopping'}
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in _lines_of(process.stdout):
            self._hear(line)
        code = process.wait()
        said = next((line for line in reversed(self._lines) if line.startswith('train: ')), None)
        status: dict[str, Any] = {'state': 'done'}
        if code:
            last = said or (self._lines[-1] if self._lines else f'it ended with {code}')
            stopped = self.status['state'] == 'stopping'
            status = {'state': 'stopped' if stopped else 'failed', 'said': last}
        else:
            self._set(what='looking at every frame')
            try:
                self.made_one = True
                self._done()
            except MMPerceptionError as error:
                status = {'state': 'failed', 'said': str(error)}
            except Exception as error:  # else the page would wait for ever, as of lacking memory
                _LOGGER.exception('the fit is done, but its model cannot be shown')
                said = ' '.join(f'{type(error).__name__}: {error}'.split())
                status = {'state': 'failed', 'said': one_line(said)}
        with self._lock:
            self._status = status

    def _hear(self, line: str) -> None:
        if bar := _BAR.match(line):
            total = 0 if bar['total'] == '?' else int(bar['total'])
            self._set(what=bar['what'], done=int(bar['done']), total=total)
        else:
            with self._lock:
                self._lines = [*self._lines[-_LINES:], one_line(line)]

    def _set(self, **status: Any) -> None:
        with self._lock:
            self._status |= status


def _lines_of(stream: IO[bytes]) -> Any:
    """Give what a terminal would show, line by line, without its commands."""
    decoder, rest = codecs.getincrementaldecoder('utf-8')('replace'), ''
    while chunk := os.read(stream.fileno(), 4096):
        *lines, rest = _ENDS.split(rest + decoder.decode(chunk))
        yield from (shown for line in lines if (shown := _ESCAPES.sub('', line).strip()))
    if shown := _ESCAPES.sub('', rest).strip():
        yield shown
