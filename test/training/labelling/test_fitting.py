# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A command as a child: what it says is heard, it can be stopped, and it never outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sitting_process import PATIENCE

from mm_perception.errors import BundleError
from training.labelling.fitting import _BAR, Fitting, _lines_of
from training.progress import progress_bars

LONG = ['--set', 'seconds=600', '--set', 'categories=[bowl]', '--set', 'workers=1']


def until(fitting: Fitting, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while not right(status := fitting.status):
        assert time.monotonic() < deadline, status
        time.sleep(0.05)
    return status


def test_the_progress_of_every_command_is_understood() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, 'w', encoding='utf-8') as file:
        console = Console(file=file, force_terminal=True, width=100, no_color=True)
        with progress_bars(console) as progress:
            task = progress.add_task('fit, 20% of the labels', total=120)
            progress.update(task, completed=30)
            progress.refresh()
            console.print('something else')
    with os.fdopen(reading, 'rb') as stream:
        lines = list(_lines_of(stream))
    bars = [bar.groups() for line in lines if (bar := _BAR.match(line))]
    assert ('fit, 20% of the labels', '30', '120') in bars
    assert 'something else' in lines


def test_what_went_wrong_is_told_in_the_commands_own_words() -> None:
    fitting = Fitting(['paper', 'table4', '--quick', '--recipe', 'ours'], lambda: None)
    assert fitting.start()
    status = until(fitting, lambda s: s['state'] != 'running')
    assert status['state'] == 'failed'
    assert status['said'].startswith('train: --quick: is a recipe')
    assert not fitting.made_one


def test_one_runs_at_a_time_and_can_be_stopped(tmp_path: Path) -> None:
    fitting = Fitting(['simulate', str(tmp_path / 'out'), *LONG], lambda: None)
    assert fitting.start()
    assert not fitting.start()
    fitting.stop()
    assert until(fitting, lambda s: s['state'] not in {'running', 'stopping'})['state'] == 'stopped'
    assert fitting.start()
    fitting.stop()


def test_a_bundle_that_cannot_be_read_is_told() -> None:
    def refuse() -> None:
        raise BundleError('model/bundle: damaged')

    fitting = Fitting(['--help'], refuse)  # what ends well at once
    fitting.start()
    status = until(fitting, lambda s: s['state'] != 'running')
    assert (status['state'], status['said']) == ('failed', 'model/bundle: damaged')


def test_whatever_else_goes_wrong_is_told_and_another_fit_may_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def run_out() -> None:
        raise RuntimeError('CUDA out of memory.\nTried to allocate 2 GiB')

    fitting = Fitting(['--help'], run_out)
    fitting.start()
    status = until(fitting, lambda s: s['state'] != 'running')
    said = 'RuntimeError: CUDA out of memory. Tried to allocate 2 GiB'
    assert (status['state'], status['said']) == ('failed', said)
    assert 'in run_out' in caplog.text  # the traceback, for whoever mends it
    assert fitting.start()
    fitting.stop()


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    parent = (
        'import sys, time\n'
        'from training.labelling.fitting import Fitting\n'
        'fitting = Fitting(sys.argv[1:], lambda: None)\n'
        'fitting.start()\n'
        'print(fitting._process.pid, flush=True)\n'
        'time.sleep(600)\n'
    )
    words = ['simulate', str(tmp_path / 'out'), *LONG]
    with subprocess.Popen(
        [sys.executable, '-c', parent, *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process is there, and not only its entry that nobody has waited for."""
    try:
        state = Path(f'/proc/{pid}/stat').read_text(encoding='utf-8').rpartition(') ')[2]
    except OSError:
        return False
    return not state.startswith('Z')
