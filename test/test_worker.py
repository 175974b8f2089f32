# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mm_perception.worker import NewestWorker, PromptWorker

PATIENCE = 10.0  # seconds; a busy machine is slow, not wrong


class Desk:
    """Work that takes as long as the test wants it to."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.failures: list[Exception] = []
        self.threads: set[int] = set()
        self._started = threading.Semaphore(0)
        self._allowed = threading.Semaphore(0)

    def work(self, item: int) -> None:
        self.threads.add(threading.get_ident())
        self.begun.append(item)
        self._started.release()
        assert self._allowed.acquire(timeout=PATIENCE)
        if item < 0:
            raise ValueError(f'item {item}')

    def wait_until_begun(self) -> None:
        assert self._started.acquire(timeout=PATIENCE)

    def let_end(self) -> None:
        self._allowed.release()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def worker(desk: Desk) -> Iterator[NewestWorker[int]]:
    worker = NewestWorker(desk.work, desk.failures.append, 'test')
    yield worker
    for _ in range(10):
        desk.let_end()
    assert worker.close(PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_newest_item_takes_the_place_of_the_one_that_waits(
    desk: Desk, worker: NewestWorker[int]
) -> None:
    worker.submit(1)
    desk.wait_until_begun()
    for item in (2, 3, 4):
        worker.submit(item)
    assert worker.replaced == 2
    desk.let_end()
    desk.wait_until_begun()
    assert desk.begun == [1, 4]


def test_submitting_never_waits_for_the_work(desk: Desk, worker: NewestWorker[int]) -> None:
    worker.submit(1)
    desk.wait_until_begun()
    start = time.monotonic()
    for item in range(1000):
        worker.submit(item)
    # The work under way does not end until the test lets it, so any wait would last PATIENCE.
    assert time.monotonic() - start < PATIENCE / 2
    assert desk.begun == [1]


def test_work_runs_on_one_thread_that_is_not_the_callers(
    desk: Desk, worker: NewestWorker[int]
) -> None:
    for item in (1, 2):
        worker.submit(item)
        desk.wait_until_begun()
        desk.let_end()
    assert len(desk.threads) == 1
    assert threading.get_ident() not in desk.threads


def test_an_exception_is_told_and_the_next_item_is_worked_on(
    desk: Desk, worker: NewestWorker[int]
) -> None:
    worker.submit(-1)
    desk.wait_until_begun()
    worker.submit(2)
    desk.let_end()
    desk.wait_until_begun()
    assert [str(failure) for failure in desk.failures] == ['item -1']
    assert desk.begun == [-1, 2]


def test_it_tells_how_long_the_item_in_work_has_taken(
    desk: Desk, worker: NewestWorker[int]
) -> None:
    assert worker.busy_for() == 0.0
    worker.submit(1)
    desk.wait_until_begun()
    until(lambda: worker.busy_for() > 0.02)
    desk.let_end()
    until(lambda: worker.busy_for() == 0.0)


def test_closing_drops_what_waits_and_lets_the_work_end(
    desk: Desk, worker: NewestWorker[int]
) -> None:
    worker.submit(1)
    desk.wait_until_begun()
    worker.submit(2)
    assert not worker.close(0.01)  # still in work
    desk.let_end()
    assert worker.close(PATIENCE)
    worker.submit(3)
    assert desk.begun == [1]


def test_closing_an_idle_worker_ends_its_thread(desk: Desk) -> None:
    assert NewestWorker(desk.work, desk.failures.append, 'idle').close(PATIENCE)
    assert not any(thread.name == 'idle' for thread in threading.enumerate())


def test_a_prompt_worker_leaves_nothing_out_and_goes_on_after_an_error() -> None:
    done: list[tuple[int, str]] = []
    errors: list[Exception] = []

    def work(item: int) -> None:
        if item == 2:
            raise ValueError('two')
        done.append((item, threading.current_thread().name))

    worker = PromptWorker(work, errors.append)
    for item in range(4):
        worker.submit(item)
    here = threading.current_thread().name
    assert done == [(0, here), (1, here), (3, here)]
    assert [str(error) for error in errors] == ['two']
    assert (worker.replaced, worker.busy_for(), worker.close(0.0)) == (0, 0.0, True)
