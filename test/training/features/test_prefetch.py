# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest
from jobs import Counting, Endless

from mm_perception.errors import ImageError, MMPerceptionError
from training.features.prefetch import read_ahead

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STARTS = """
import sys, time
from pathlib import Path
from jobs import Endless
from training.features.prefetch import read_ahead

if __name__ == '__main__':
    for number, _ in read_ahead([Endless(Path(sys.argv[1]))] * 2, 2, patience=0):
        print(number, flush=True)
"""


def taken(
    jobs: Sequence[Counting], workers: int, patience: float = 0
) -> tuple[dict[int, list[str | None]], str]:
    """What each job gave, and the error in the end."""
    found = defaultdict(list)
    try:
        with closing(read_ahead(jobs, workers, patience=patience)) as stream:
            for number, item in stream:
                found[number].append(item)
    except MMPerceptionError as error:
        return found, f'{type(error).__name__}: {error}'
    return found, ''


@pytest.mark.parametrize(('workers', 'patience'), [(1, 0), (3, 0), (2, 0.1)])
def test_items_are_the_same_in_the_same_order_as_without_workers(
    workers: int, patience: float
) -> None:
    # The third is broken off in its middle when patience ends, and read again from there.
    counts = (3, 0, 12, 1, 7)
    jobs = [Counting(str(i), n, pause=0.01 if n > 9 else 0) for i, n in enumerate(counts)]
    found, error = taken(jobs, workers, patience)
    assert not error
    assert found == {i: [*job, None] for i, job in enumerate(jobs)}
    assert not multiprocessing.active_children()


def test_error_is_that_of_the_first_job_that_fails_and_all_before_it_are_whole() -> None:
    jobs = [
        Counting('slow', 5, pause=0.1),
        Counting('fails late', 3, pause=0.05, end='fail'),
        Counting('fails at once', 0, end='fail'),
        Counting('never needed', 2),
    ]
    found, error = taken(jobs, 3)
    assert error == taken(jobs, 0)[1] == 'ImageError: fails late: broken'
    assert found[0] == [*jobs[0], None]
    assert found[1] == ['fails late 0', 'fails late 1', 'fails late 2']
    assert not multiprocessing.active_children()


def test_job_whose_process_dies_is_named() -> None:
    jobs = [Counting('whole', 2), Counting('deadly', 1, end='die')]
    found, error = taken(jobs, 2)
    assert error.startswith('RecordingError: deadly: the process that read it died')
    assert found[0] == [*jobs[0], None]


def test_warnings_of_other_processes_are_logged_here_once(caplog: pytest.LogCaptureFixture) -> None:
    taken([Counting('odd', 3, pause=0.02, end='warn')], 1, patience=0.03)
    assert caplog.messages == ['odd: look at here']


def test_nothing_is_read_far_ahead_and_what_is_open_is_closed(tmp_path: Path) -> None:
    with closing(read_ahead([Endless(tmp_path)], 1, patience=0)) as stream:
        for _ in range(3):
            next(stream)
        time.sleep(0.5)
        assert len(list(tmp_path.glob('*/*'))) <= 5
    assert not list(tmp_path.iterdir())


def test_nobody_waits_for_what_is_still_being_read() -> None:
    jobs = [Counting('quick', 1), Counting('slow', 1, pause=60)]
    with closing(read_ahead(jobs, 2, patience=0)) as stream:
        next(stream)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert not multiprocessing.active_children()


def test_consumers_error_ends_the_processes(tmp_path: Path) -> None:
    def consume() -> None:
        with closing(read_ahead([Endless(tmp_path)], 1, patience=0)) as stream:
            for _ in stream:
                raise ImageError('mine')

    with pytest.raises(ImageError, match='mine'):
        consume()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_command(number: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / 'command.py'
    script.write_text(STARTS)
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, script, scratch],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # whose Ctrl-C is ours to send
    ) as process:
        assert process.stdout is not None
        while '1' not in process.stdout.readline():
            pass
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 3
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does: to all of them
        else:
            process.send_signal(number)
        told = process.communicate(timeout=60)[1]
        _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
    assert not list(scratch.iterdir())
    if number is signal.SIGINT:
        assert told.count('Traceback') == 1, told  # the command's own
