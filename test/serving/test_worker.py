# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.serving import worker as subject
from mm_perception.serving.worker import NewestWorker, PromptWorker, Seat, Task

PATIENCE = 10.0  # seconds; a busy machine is slow, not wrong


class Desk:
    """A device that takes as long as the test wants it to, and a member who asks it."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.said: list[int] = []
        self.failures: list[Exception] = []
        self.threads: set[int] = set()
        self._started = threading.Semaphore(0)
        self._allowed = threading.Semaphore(0)

    def answer(self, items: Sequence[int]) -> list[int | Exception]:
        self.threads.add(threading.get_ident())
        self.begun += items
        self._started.release()
        assert self._allowed.acquire(timeout=PATIENCE)
        if min(items) < 0:
            raise ValueError(f'items {[*items]}')
        return [*items]

    def task(self, item: int) -> Task[int, int]:
        self.said.append((yield item))

    def wait_until_begun(self) -> None:
        assert self._started.acquire(timeout=PATIENCE)

    def let_end(self, count: int = 1) -> None:
        for _ in range(count):
            self._allowed.release()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.let_end(100)


@pytest.fixture
def worker(desk: Desk) -> NewestWorker[int, int]:
    return NewestWorker(desk.answer, 'test')


@pytest.fixture
def seat(desk: Desk, worker: NewestWorker[int, int]) -> Iterator[Seat[int, int]]:
    seat = worker.seat(desk.failures.append)
    yield seat
    desk.let_end(100)
    assert seat.close(PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_newest_task_takes_the_place_of_the_one_that_waits(
    desk: Desk, seat: Seat[int, int]
) -> None:
    seat.submit(desk.task(1))
    desk.wait_until_begun()
    for item in (2, 3, 4):
        seat.submit(desk.task(item))
    assert seat.replaced == 2
    desk.let_end()
    desk.wait_until_begun()
    assert desk.begun == [1, 4]


def test_submitting_never_waits_for_the_work(desk: Desk, seat: Seat[int, int]) -> None:
    seat.submit(desk.task(1))
    desk.wait_until_begun()
    start = time.monotonic()
    for item in range(1000):
        seat.submit(desk.task(item))
    # The work under way does not end until the test lets it, so any wait would last PATIENCE.
    assert time.monotonic() - start < PATIENCE / 2
    assert desk.begun == [1]


def test_work_runs_on_one_thread_that_is_not_the_callers(desk: Desk, seat: Seat[int, int]) -> None:
    for item in (1, 2):
        seat.submit(desk.task(item))
        desk.wait_until_begun()
        desk.let_end()
    assert len(desk.threads) == 1
    assert threading.get_ident() not in desk.threads


def test_an_exception_is_told_and_the_next_task_is_worked_on(
    desk: Desk, seat: Seat[int, int]
) -> None:
    seat.submit(desk.task(-1))
    desk.wait_until_begun()
    seat.submit(desk.task(2))
    desk.let_end()
    desk.wait_until_begun()
    assert [str(failure) for failure in desk.failures] == ['items [-1]']
    assert desk.begun == [-1, 2]


def test_it_tells_how_long_the_task_in_work_has_taken(desk: Desk, seat: Seat[int, int]) -> None:
    assert seat.busy_for() == 0.0
    seat.submit(desk.task(1))
    desk.wait_until_begun()
    until(lambda: seat.busy_for() > 0.02)
    desk.let_end()
    until(lambda: seat.busy_for() == 0.0)


def test_closing_drops_what_waits_and_lets_the_work_end(
    desk: Desk, worker: NewestWorker[int, int]
) -> None:
    seat = worker.seat(desk.failures.append)
    seat.submit(desk.task(1))
    desk.wait_until_begun()
    seat.submit(desk.task(2))
    assert not seat.close(0.01)  # still in work
    desk.let_end()
    assert seat.close(PATIENCE)
    seat.submit(desk.task(3))
    assert desk.begun == [1]
    assert desk.said == [1]


def test_the_last_one_to_leave_ends_the_thread_and_a_newcomer_begins_it_again(desk: Desk) -> None:
    worker = NewestWorker(desk.answer, 'idle')
    first, second = worker.seat(desk.failures.append), worker.seat(desk.failures.append)
    for seat, left in ((first, 1), (second, 0), (second, 0)):
        assert seat.close(PATIENCE)
        assert sum(thread.name == 'idle' for thread in threading.enumerate()) == left
    third = worker.seat(desk.failures.append)
    third.submit(desk.task(1))
    desk.let_end()
    until(lambda: desk.said == [1])
    assert third.close(PATIENCE)


# Several members ----------------------------------------------------------------------------------


@pytest.fixture
def seats(desk: Desk, worker: NewestWorker[int, int]) -> Iterator[list[Seat[int, int]]]:
    seats = [worker.seat(desk.failures.append) for _ in range(3)]
    yield seats
    desk.let_end(100)
    assert all(seat.close(PATIENCE) for seat in seats)


def test_the_newest_of_everybody_who_waits_is_answered_at_once(
    desk: Desk, seats: list[Seat[int, int]]
) -> None:
    batches: list[list[int]] = []
    seats[0].submit(desk.task(1))
    desk.wait_until_begun()
    for item in (10, 20, 30):
        for number, seat in enumerate(seats):
            seat.submit(desk.task(item + number))
    batches.append([*desk.begun])
    desk.let_end()
    desk.wait_until_begun()
    assert batches == [[1]]
    assert desk.begun == [1, 30, 31, 32]
    desk.let_end()
    until(lambda: desk.said == [1, 30, 31, 32])


def test_what_is_wrong_with_one_is_told_to_that_one_and_the_others_are_answered(
    desk: Desk, worker: NewestWorker[int, int]
) -> None:
    failures: list[list[str]] = [[], [], []]
    seats = [worker.seat(lambda e, told=told: told.append(str(e))) for told in failures]
    desk.let_end(100)
    with worker._condition:  # so that they come at the same time
        for seat, item in zip(seats, (1, -2, 3), strict=True):
            seat.submit(desk.task(item))
    until(lambda: desk.said == [1, 3] and bool(failures[1]))
    assert failures == [[], ['items [-2]'], []]
    assert desk.begun == [1, -2, 3, 1, -2, 3]  # at once, and then one by one
    assert all(seat.close(PATIENCE) for seat in seats)


def test_an_answer_that_is_an_exception_is_that_members_alone(
    desk: Desk, worker: NewestWorker[int, int]
) -> None:
    worker._answer = lambda items: [ValueError('odd') if item % 2 else item for item in items]
    failures: list[list[str]] = [[], []]
    seats = [worker.seat(lambda e, told=told: told.append(str(e))) for told in failures]
    seats[0].submit(desk.task(1))
    seats[1].submit(desk.task(2))
    until(lambda: desk.said == [2] and bool(failures[0]))
    assert failures == [['odd'], []]
    assert all(seat.close(PATIENCE) for seat in seats)


def test_leaving_waits_for_ones_own_work_only(desk: Desk, seats: list[Seat[int, int]]) -> None:
    seats[0].submit(desk.task(1))
    desk.wait_until_begun()
    seats[1].submit(desk.task(2))
    assert seats[1].close(0.0)
    assert not seats[0].close(0.01)
    desk.let_end()
    assert seats[0].close(PATIENCE)
    assert desk.begun == [1]


def test_who_waits_for_a_device_that_hangs_is_told_so_too(
    desk: Desk, seats: list[Seat[int, int]]
) -> None:
    seats[0].submit(desk.task(1))
    desk.wait_until_begun()
    seats[1].submit(desk.task(2))
    until(lambda: seats[1].busy_for() > 0.02)
    assert seats[2].busy_for() == 0.0  # it wants nothing


def test_one_that_hangs_by_its_own_doing_holds_up_the_others_for_a_moment_only(
    desk: Desk,
    worker: NewestWorker[int, int],
    seats: list[Seat[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, '_LONG', 0.1)
    desk.let_end(100)
    hanging, free = threading.Event(), threading.Event()

    def hang(item: int) -> Task[int, int]:
        answer = yield item
        hanging.set()
        assert free.wait(PATIENCE)
        desk.said.append(answer)

    with worker._condition:  # so that they come at the same time
        seats[1].submit(hang(0))
        leaver = worker.seat(desk.failures.append)
        leaver.submit(desk.task(9))
    assert hanging.wait(PATIENCE)
    assert not leaver.close(0.01)

    def others_go_on() -> bool:
        seats[0].submit(desk.task(1))
        seats[2].submit(desk.task(2))
        time.sleep(0.01)
        return {1, 2} <= {*desk.said}

    until(others_go_on)
    assert leaver.close(0.0)  # which was in one batch with what hangs
    assert seats[1].busy_for() > 0.1
    assert not seats[1].close(0.01)
    assert 0 not in desk.said
    free.set()
    assert seats[1].close(PATIENCE)
    assert desk.said.count(0) == 1
    before = len(desk.said)
    until(lambda: others_go_on() and len(desk.said) > before + 2)  # on one thread alone
    until(lambda: sum(thread.name == 'test' for thread in threading.enumerate()) == 1)


def test_one_that_takes_long_to_ask_is_told_that_the_others_went_on(
    desk: Desk,
    worker: NewestWorker[int, int],
    seats: list[Seat[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, '_LONG', 0.05)
    desk.let_end(100)
    told: list[Exception] = []
    slow, searching, found = worker.seat(told.append), threading.Event(), threading.Event()

    def search() -> Task[int, int]:
        searching.set()
        assert found.wait(PATIENCE)
        yield 0

    slow.submit(search())
    assert searching.wait(PATIENCE)

    def the_other_goes_on() -> bool:
        seats[0].submit(desk.task(1))
        time.sleep(0.01)
        return 1 in desk.said

    until(the_other_goes_on)
    found.set()
    until(lambda: bool(told))
    assert str(told[0]) == 'took over 0.05 s before inference; others went on'
    assert slow.close(PATIENCE)


class Played(NewestWorker[tuple[int, int], tuple[int, int]]):
    """A worker without a thread, which works when the test says so."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, int]]] = []
        super().__init__(self.note, 'played')

    def note(self, items: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        self.batches.append([*items])
        return [*items]

    def _begin(self) -> None:
        self._thread = threading.current_thread()


COUNT = 4
EVENTS = st.lists(st.one_of(st.just('free'), st.integers(0, COUNT - 1)), max_size=80)


@given(EVENTS)
def test_nobody_starves_and_everybody_is_served_the_newest_once(events: list[int | str]) -> None:
    worker = Played()
    said: list[list[int]] = [[] for _ in range(COUNT)]

    def task(member: int, item: int) -> Task[tuple[int, int], tuple[int, int]]:
        whose, answer = yield member, item
        said[whose].append(answer)

    seats = [worker.seat(lambda error: pytest.fail(str(error))) for _ in range(COUNT)]
    waiting: dict[int, int] = {}
    given_way = [0] * COUNT
    for number, event in enumerate([*events, 'free']):
        if isinstance(event, int):
            given_way[event] += event in waiting
            waiting[event] = number
            seats[event].submit(task(event, number))
        elif waiting:
            before = len(worker.batches)
            batch = worker.next()
            worker.work(batch)
            worker.free()
            # Whoever waits when the device is free is served at once, whatever the others do.
            assert {*worker.batches[before]} == {*waiting.items()}
            assert len(worker.batches) == before + 1
            waiting.clear()
    assert [seat.replaced for seat in seats] == given_way
    assert all(a < b for each in said for a, b in pairwise(each))


def test_a_prompt_worker_leaves_nothing_out_and_goes_on_after_an_error() -> None:
    done: list[tuple[int, str]] = []
    errors: list[Exception] = []

    def answer(items: Sequence[int]) -> Sequence[int]:
        if 2 in items:
            raise ValueError('two')
        return items

    def task(item: int) -> Task[int, int]:
        done.append(((yield item), threading.current_thread().name))

    seat = PromptWorker(answer).seat(errors.append)
    for item in range(4):
        seat.submit(task(item))
    here = threading.current_thread().name
    assert done == [(0, here), (1, here), (3, here)]
    assert [str(error) for error in errors] == ['two']
    assert (seat.replaced, seat.busy_for(), seat.close(0.0)) == (0, 0.0, True)
