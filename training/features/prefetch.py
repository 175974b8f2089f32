# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Read ahead in processes beside the one that computes.

A process takes one job after the other, and stands still while nobody takes what it has read: a
pipe holds less than one item. So memory does not grow with what there is to read. When either side
goes, whatever the reason, the other one's end of the pipe is closed, and it goes too.
"""

from __future__ import annotations

import itertools
import logging
import math
import signal
import sys
import time
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing import get_context
from multiprocessing.connection import wait
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, cast

import cv2

from mm_perception.errors import MMPerceptionError, RecordingError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Item = TypeVar('Item')
Item_co = TypeVar('Item_co', covariant=True)
# A pipe's type has parameters in some versions of Python only.
_Pipe: TypeAlias = 'Connection[Any, Any]'

START = 2.0
"""Seconds, about, that the first process takes to start."""
_PARTING = 10  # seconds that a process may take to leave: it has files to close


class Job(Protocol[Item_co]):
    """What is read, item by item; it and they are pickled."""

    @property
    def name(self) -> str:
        """For a person."""

    def __iter__(self) -> Iterator[Item_co]:
        """Read it."""


@dataclass(frozen=True)
class _Said(Generic[Item]):
    """What a process says: an item, or neither item nor error at a job's end.

    Attributes:
        item: The next one.
        error: Why there are no more.
        logged: What was logged meanwhile.

    """

    item: Item | None
    error: MMPerceptionError | None
    logged: list[logging.LogRecord]


def read_ahead(
    jobs: Sequence[Job[Item]],
    workers: int,
    modules: Collection[str] = (),
    patience: float = START,
) -> Generator[tuple[int, Item | None], None, None]:
    """Give each job's items in their order, and None after its last, each with the job's number.

    With several workers, items of different jobs take turns. Close the iterator to end the
    processes.

    Args:
        jobs: What to read.
        workers: How many processes; 0 reads here.
        modules: What jobs need, imported once for all processes.
        patience: Seconds of reading here, before it is worth to start processes for the rest.

    Raises:
        MMPerceptionError: A job's, once all jobs before it are done: the same as without workers.
        RecordingError: A process died.

    """
    first, done = yield from _read_here(jobs, patience if workers else math.inf)
    if first == len(jobs):
        return
    with _processes(min(workers, len(jobs) - first), modules) as pipes:
        for number, item in _interleaved(jobs[first:], pipes, done):
            yield first + number, item


def _read_here(
    jobs: Sequence[Job[Item]], patience: float
) -> Generator[tuple[int, Item | None], None, tuple[int, int]]:
    """Read until patience ends; return the job that it ended in, and how many items that gave."""
    spent = 0.0
    for number, job in enumerate(jobs):
        items = iter(job)
        for done in itertools.count():
            if spent >= patience:
                return number, done
            began = time.monotonic()
            item = next(items, None)
            spent += time.monotonic() - began
            yield number, item
            if item is None:
                break
    return len(jobs), 0


def _interleaved(
    jobs: Sequence[Job[Item]], pipes: Sequence[_Pipe], done: int
) -> Iterator[tuple[int, Item | None]]:
    """Have the jobs read, of the first one what comes after the items that are done."""
    waiting = iter(range(len(jobs)))
    reading: dict[_Pipe, int] = {}
    errors: dict[int, MMPerceptionError] = {}

    def begin(pipe: _Pipe) -> None:
        reading.pop(pipe, None)
        number = next(waiting, None)
        if number is not None and not errors:
            reading[pipe] = number
            with suppress(ConnectionError):  # it has died, as will be seen when it is listened to
                pipe.send((jobs[number], 0 if number else done))

    for pipe in pipes:
        begin(pipe)
    # What comes after a job that failed would not have been read without workers.
    while heard := [pipe for pipe, n in reading.items() if n < min(errors, default=len(jobs))]:
        for ready in wait(heard):
            pipe = cast('_Pipe', ready)
            number = reading[pipe]
            said = _received(pipe, jobs[number])
            for record in said.logged:
                logging.getLogger(record.name).handle(record)
            if said.error is not None:
                errors[number] = said.error
                del reading[pipe]
            else:
                if said.item is None:
                    begin(pipe)
                yield number, said.item
    if errors:
        raise errors[min(errors)]


def _received(pipe: _Pipe, job: Job[Item]) -> _Said[Item]:
    try:
        said: _Said[Item] = pipe.recv()
    except (EOFError, ConnectionError):
        error = RecordingError(
            f'{job.name}: the process that read it died, perhaps for lack of memory; '
            '`taskset -c 0` before the command does without further processes'
        )
        return _Said(None, error, [])
    return said


@contextmanager
def _processes(count: int, modules: Collection[str]) -> Iterator[list[_Pipe]]:
    """Start processes that read what they are sent, and end them."""
    # Forked from a process that has no threads: a fork of this one's may hang. It imports once.
    context = get_context('forkserver')
    context.set_forkserver_preload(['__main__', __name__, *modules])
    pipes: list[_Pipe] = []
    processes = []
    try:
        with _without_interrupt():
            for _ in range(count):
                ours, theirs = context.Pipe()
                pipes.append(ours)
                process = context.Process(target=_serve, args=(theirs,), daemon=True)
                process.start()
                processes.append(process)
                theirs.close()
        yield pipes
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(_PARTING)
            process.kill()


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Have Ctrl-C wait, here for the block's end, and for ever in what is started within it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: _Pipe) -> None:
    """Read one job after the other, until the other side has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    cv2.setNumThreads(1)  # the other processors are the other processes'
    logged: SimpleQueue[logging.LogRecord] = SimpleQueue()
    logging.getLogger().addHandler(QueueHandler(logged))
    with suppress(EOFError, ConnectionError):
        while True:
            job, done = pipe.recv()
            for number, (item, error) in enumerate(_read(job)):
                records = [logged.get() for _ in range(logged.qsize())]
                if item is None or number >= done:
                    _send(pipe, _Said(item, error, records))


def _send(pipe: _Pipe, said: _Said[Any]) -> None:
    try:
        pipe.send(said)
    except ConnectionError:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it leaves already, and has to tidy up
        raise


def _read(job: Job[Item]) -> Iterator[tuple[Item | None, MMPerceptionError | None]]:
    try:
        for item in job:
            yield item, None
    except MMPerceptionError as error:
        yield None, error
    else:
        yield None, None


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Leave as if the job had failed, so that what it has open is closed and tidied up."""
    sys.exit()
