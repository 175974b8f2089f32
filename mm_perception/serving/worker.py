# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One thread that always works on what is newest, for one camera or for several at once.

Inference takes longer than a frame period on most robots. A queue would make every label older
than the one before; here a new task takes the place of the one that waits, and whoever hands it
over never waits at all.

A task is a generator. What it does by itself is its member's alone; what it yields is a question
for the device. The questions of all members that have a task waiting are answered together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from mm_perception.errors import StaleError

Question = TypeVar('Question')
Answer = TypeVar('Answer')
Task = Generator[Question, Answer, None]
"""Asks one question at most. An answer that is an exception is thrown into it."""
Answering = Callable[[Sequence[Question]], Sequence[Answer | Exception]]
Batch = list[tuple['Seat[Question, Answer]', Task[Question, Answer]]]

_LONG = 1.0  # seconds that what one member does by itself may hold up the others


class Seat(Generic[Question, Answer]):
    """A member's place at a worker."""

    def __init__(
        self, worker: Worker[Question, Answer], failed: Callable[[Exception], None]
    ) -> None:
        """Take a place; see `Worker.seat`."""
        self._worker = worker
        self.failed = failed
        self.waiting: Task[Question, Answer] | None = None
        self.since: float | None = None
        """Since when a task of this member is in work; the worker's to set."""
        self.replaced = 0
        """How many tasks gave way to a newer one."""

    def submit(self, task: Task[Question, Answer]) -> None:
        """Hand over a task, in place of the one that waits; never blocks on the work."""
        self._worker.take(self, task)

    @property
    def is_ready(self) -> bool:
        """Whether a task waits, and none is in work any more."""
        return self.waiting is not None and self.since is None

    def begin(self) -> Task[Question, Answer]:
        """Take the task that waits to work on it; the worker's to call."""
        assert self.waiting is not None  # as it is ready  # noqa: S101
        task, self.waiting, self.since = self.waiting, None, time.monotonic()
        return task

    def busy_for(self) -> float:
        """Seconds that the work has taken so far that is this member's, or that it waits for."""
        since = self._worker.since if self.since is None and self.waiting else self.since
        return 0.0 if since is None else time.monotonic() - since

    def close(self, timeout: float) -> bool:
        """Drop the task that waits, let the one in work end, and leave.

        Returns:
            Whether it ended within ``timeout`` seconds.

        """
        return self._worker.leave(self, timeout)


class Worker(Generic[Question, Answer]):
    """Works on tasks; the thread on which it does so is a subclass's matter."""

    def __init__(self, answer: Answering[Question, Answer]) -> None:
        """Prepare.

        Args:
            answer: Answers several questions at once, in their order. Should it raise, each is
                asked by itself, so that the exception reaches the one whose fault it is.

        """
        self._answer = answer
        self.since: float | None = None
        """Since when tasks are in work."""
        self._whose: tuple[Seat[Question, Answer], float] | None = None

    def seat(self, failed: Callable[[Exception], None]) -> Seat[Question, Answer]:
        """Make a place for a member.

        Args:
            failed: Told of an exception that a task of this member raised; the work goes on.

        """
        return Seat(self, failed)

    def take(self, seat: Seat[Question, Answer], task: Task[Question, Answer]) -> None:
        """See `Seat.submit`."""
        raise NotImplementedError

    def leave(self, seat: Seat[Question, Answer], timeout: float) -> bool:
        """See `Seat.close`."""
        raise NotImplementedError

    def work(self, batch: Batch[Question, Answer]) -> None:
        """Work on tasks, one a member."""
        asking = []
        for seat, task in batch:
            asking += [(seat, task, asked) for asked in self._alone(seat, partial(_begin, task))]
        answers = self._answers([asked for _, _, asked in asking])
        for (seat, task, _), answer in zip(asking, answers, strict=True):
            self._alone(seat, partial(_go_on, task, answer))

    def _answers(self, questions: Sequence[Question]) -> Sequence[Answer | Exception]:
        if not questions:
            return []
        try:
            return self._answer(questions)
        except Exception as error:  # noqa: BLE001 - one bad image must not end the work
            if len(questions) == 1:
                return [error]
        return [answer for question in questions for answer in self._answers([question])]

    def _alone(
        self, seat: Seat[Question, Answer], step: Callable[[], list[Question]]
    ) -> list[Question]:
        """Do what is one member's alone; so is whatever becomes of it."""
        self._whose = seat, time.monotonic()
        asked: list[Question] = []
        try:
            asked = step()
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - one bad image must not end the work
            with suppress(Exception):  # who cannot even be told does not take the others along
                seat.failed(error)
        finally:
            self._done(seat, asked)
        return asked

    def _done(self, _seat: Seat[Question, Answer], _asked: list[Question]) -> None:
        self._whose = None


class NewestWorker(Worker[Question, Answer]):
    """Works on a thread of its own, which is there while anybody has a seat.

    When the thread is free it takes the newest task of every member that has one waiting, so nobody
    waits for more than the work under way. Only a device that hangs holds up all of them: where it
    is a member's own doing, the others go on on a thread anew.
    """

    def __init__(self, answer: Answering[Question, Answer], name: str) -> None:
        """Prepare.

        Args:
            answer: See `Worker`.
            name: The thread's name, as a debugger shows it.

        """
        super().__init__(answer)
        self._name = name
        self._condition = threading.Condition()
        self._seats: list[Seat[Question, Answer]] = []
        self._served: list[Seat[Question, Answer]] = []  # those that have a task in work
        self._thread: threading.Thread | None = None

    def seat(self, failed: Callable[[Exception], None]) -> Seat[Question, Answer]:
        """Make a place for a member; the first one starts the thread."""
        seat = super().seat(failed)
        with self._condition:
            self._seats.append(seat)
            if self._thread is None:
                self._begin()
        return seat

    def take(self, seat: Seat[Question, Answer], task: Task[Question, Answer]) -> None:
        """See `Seat.submit`."""
        with self._condition:
            if seat not in self._seats:
                return
            seat.replaced += seat.waiting is not None
            seat.waiting = task
            if self._is_held_up_by_another(seat):
                self._relieve()
            self._condition.notify_all()

    def leave(self, seat: Seat[Question, Answer], timeout: float) -> bool:
        """See `Seat.close`; the last one takes the thread with it."""
        end = time.monotonic() + timeout
        with self._condition:
            seat.waiting = None
            if seat in self._seats:
                self._seats.remove(seat)
            self._condition.notify_all()
            thread = self._thread
            if thread is threading.current_thread():
                return False  # it is this very task
            free = self._condition.wait_for(
                lambda: seat.since is None and (self._seats or not self._is_running(thread)),
                timeout,
            )
            ends = not self._is_running(thread)
        if thread is not None and ends and free:
            thread.join(max(0.0, end - time.monotonic()))
        return bool(free)

    def next(self) -> Batch[Question, Answer]:
        """Wait for tasks, and take the newest of everybody who has one; none: it is over."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._is_over() or any(s.is_ready for s in self._seats)
            )
            if self._is_over():
                if self._is_mine():
                    self._thread = None
                    self._condition.notify_all()
                return []
            self.since = time.monotonic()
            self._served = [seat for seat in self._seats if seat.is_ready]
            return [(seat, seat.begin()) for seat in self._served]

    def _begin(self) -> None:
        # A daemon: work that hangs in a driver must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with suppress(_RelievedError):
            while batch := self.next():
                self.work(batch)
                self.free()

    def free(self) -> None:
        """Note that the tasks in work are done."""
        with self._condition:
            self.since = None
            for seat in self._served:
                seat.since = None
            self._condition.notify_all()

    def _done(self, seat: Seat[Question, Answer], asked: list[Question]) -> None:
        with self._condition:
            if self._is_mine():
                super()._done(seat, asked)
                return
            seat.since = None
            self._condition.notify_all()
        if asked:  # in vain: the others are on another thread by now
            with suppress(Exception):
                seat.failed(StaleError(f'took over {_LONG:g} s before inference; others went on'))
        raise _RelievedError

    def _is_running(self, thread: threading.Thread | None) -> bool:
        return thread is not None and thread is self._thread

    def _is_mine(self) -> bool:
        return self._is_running(threading.current_thread())

    def _is_over(self) -> bool:
        return not self._seats or not self._is_mine()

    def _is_held_up_by_another(self, seat: Seat[Question, Answer]) -> bool:
        if self._whose is None:
            return False
        other, since = self._whose
        return other is not seat and time.monotonic() - since > _LONG

    def _relieve(self) -> None:
        """Leave the thread to the one that holds it up, and go on for the others on a new one."""
        stuck, self._whose, self.since = self._whose, None, None
        for seat in self._served:
            if stuck is None or seat is not stuck[0]:
                seat.since = None
        self._begin()


class PromptWorker(Worker[Question, Answer]):
    """Works on every task at once, on the thread that hands it over: nothing gives way."""

    def take(self, seat: Seat[Question, Answer], task: Task[Question, Answer]) -> None:
        """See `Seat.submit`."""
        self.work([(seat, task)])

    def leave(self, _seat: Seat[Question, Answer], _timeout: float) -> bool:
        """See `Seat.close`; there is nothing to wait for."""
        return True


class _RelievedError(Exception):
    """Ends a thread whose place another one has taken."""


def _begin(task: Task[Question, Answer]) -> list[Question]:
    return [next(task)]


def _go_on(task: Task[Question, Answer], answer: Answer | Exception) -> list[Question]:
    if isinstance(answer, Exception):
        task.throw(answer)
    else:
        task.send(answer)
    raise RuntimeError('a task asks one question at most')
