# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Share work among processes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

import cv2

from mm_perception.errors import RecordingError

Job = TypeVar('Job')
Done = TypeVar('Done')


@contextmanager
def shared_among(
    workers: int, work: Callable[[Job], Done], jobs: Iterable[Job]
) -> Iterator[Iterator[Done]]:
    """Give what each job comes to, in the jobs' order, made by some processes or, if 1, here.

    Leaving the context, by an error or Ctrl-C too, ends what has not begun.

    Raises:
        RecordingError: A process died.

    """
    if workers == 1:
        yield map(work, jobs)
        return
    # Spawned, not forked: the caller may have threads, and a fork of those may hang.
    pool = ProcessPoolExecutor(workers, get_context('spawn'), initializer=_prepare)
    try:
        yield pool.map(work, jobs)
    except BrokenProcessPool as error:
        raise RecordingError(
            f'{workers} workers: one of them died, perhaps for lack of memory; try fewer'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """Leave Ctrl-C to the parent, and the other cores to the other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
