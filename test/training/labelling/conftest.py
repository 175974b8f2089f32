# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The real server as a process of its own, on small simulated recordings."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from training.simulation import SimulationSettings, simulate

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


Start = Callable[..., Sitting]


@pytest.fixture(scope='session')
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings: two of bowls, one of a plate."""
    folder = tmp_path_factory.mktemp('recorded')
    settings = SimulationSettings(
        categories=('bowl', 'plate'),
        training_instances=2,
        test_instances=0,
        seconds=1.0,
        labelled_fraction=0,
        workers=1,
    )
    simulate(settings, folder)
    bags = sorted(path for path in (folder / 'train').iterdir() if path.is_dir())
    for path in bags[3:]:
        path.rename(folder / path.name)
    (folder / 'train' / 'labels.csv').unlink(missing_ok=True)
    return folder / 'train'


@pytest.fixture(scope='session')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for features, so that they are computed once."""
    return tmp_path_factory.mktemp('features')


@pytest.fixture
def start(recorded: Path, cache: Path, tmp_path: Path) -> Iterator[Start]:
    """Start ``train label`` and wait until it serves; it ends with the test."""
    with ExitStack() as ending:

        def run(*words: str, port: int = 0) -> Sitting:
            command = [sys.executable, '-m', 'training', 'label', str(recorded), '--no-browser']
            command += ['--port', str(port), '--cache', str(cache), *SMALL]
            command += ['--labels', str(tmp_path / 'labels.csv'), '-o', str(tmp_path / 'model')]
            process = subprocess.Popen(
                [*command, *words],
                env={**os.environ, 'OMP_NUM_THREADS': '1', 'COLUMNS': '200'},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            ending.callback(_end, process)
            return Sitting(process, _address(process))

        yield run


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r'labelling at (http://127\.0\.0\.1:\d+)/', line):
            return found[1]
    raise AssertionError(''.join(said))


def _end(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()
