# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
import os
import signal

import pytest

from mm_perception.errors import RecordingError
from training.simulation.workers import shared_among


def die(_job: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_the_jobs_order_from_other_processes() -> None:
    with shared_among(2, abs, [-3, 1, -2]) as done:
        assert list(done) == [3, 1, 2]


def test_a_worker_that_dies_is_reported_not_waited_for() -> None:
    with pytest.raises(RecordingError, match='one of them died'), shared_among(2, die, [1]) as done:
        list(done)
