# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``train label`` as a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SMALL = [
    *('--backbone', 'squeezenet1_0', '--backbone-weights', 'random', '--device', 'cpu'),
    *('--set', 'model.widths={hidden: 16, a: 8, z: 4}', '--set', 'optimisation.epochs=2'),
]
PATIENCE = 90.0  # seconds, on a machine that has other work


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Sitting:
    """A running ``train label``."""

    process: subprocess.Popen[str]
    address: str

    def ask(self, path: str, body: Any = None, **headers: str) -> Answer:
        """GET, or POST where there is a body."""
        data = None if body is None else json.dumps(body).encode()
        kind = {} if data is None else {'Content-Type': 'application/json'}
        names = {name.replace('_', '-'): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, data, {**kind, **names})  # noqa: S310 - our own
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - our own
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    @property
    def state(self) -> Any:
        return self.ask('/api/state').json

    def tell(self, path: str, **body: Any) -> Answer:
        """POST what a page of this sitting would."""
        return self.ask(path, {'sitting': self.state['sitting'], **body})

    def label(self, recording: int, first: int, last: int, name: str | None) -> Answer:
        frames = {'recording': recording, 'first': first, 'last': last}
        return self.tell('/api/label', ranges=[frames], label=name)

    def leave(self, stretch: dict[str, Any]) -> Answer:
        """Say that nobody can tell what a stretch shows."""
        frames = {name: stretch[name] for name in ('recording', 'first', 'last')}
        return self.tell('/api/leave', ranges=[frames])

    def until(self, right: Callable[[Any], bool]) -> Any:
        """Wait for a state."""
        deadline = time.monotonic() + PATIENCE
        while not right(state := self.state):
            assert time.monotonic() < deadline, state
            time.sleep(0.1)
        return state

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def sitting(recorded: Path, folder: Path, cache: Path, *words: str) -> Iterator[Sitting]:
    """Start ``train label`` and wait until it serves; end it afterwards.

    Args:
        recorded: The recordings.
        folder: Where labels and model go.
        cache: Where features are.
        words: Further options.

    """
    command = [sys.executable, '-m', 'training', 'label', str(recorded), '--no-browser']
    command += ['--port', '0', '--cache', str(cache), *SMALL]
    command += ['--labels', str(folder / 'labels.csv'), '--output', str(folder / 'model')]
    with subprocess.Popen(
        [*command, *words],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'COLUMNS': '200'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Sitting(process, _address(process))
        finally:
            process.kill()


class Sittings:
    """A server that is started when it is needed, again after it was killed: that takes seconds.

    Attributes:
        folder: Where its labels and its model are.

    """

    def __init__(self, recorded: Path, cache: Path, folder: Path, ending: ExitStack) -> None:
        self.folder = folder
        self._where = recorded, folder, cache
        self._ending = ending
        self._running: Sitting | None = None

    @property
    def running(self) -> Sitting:
        if self._running is None or self._running.process.poll() is not None:
            self._running = self._ending.enter_context(sitting(*self._where))
        return self._running

    @property
    def fresh(self) -> Sitting:
        """The server, all earlier steps taken back; another where that is not enough."""
        while self.running.state['steps']:
            self.running.tell('/api/undo')
        state = self.running.state
        if state['labelled'] or state['fit']['state'] != 'idle':
            self.running.kill()
            shutil.rmtree(self.folder)
            self.folder.mkdir()
        return self.running


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r'labelling at (http://127\.0\.0\.1:\d+)/', line):
            return found[1]
    raise AssertionError(''.join(said))
