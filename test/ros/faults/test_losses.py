# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Sensors that fall silent."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from orders import RATE
from world import DEPTH, OTHER, RGB

if TYPE_CHECKING:
    from case import Case

    from mm_perception.observation import Modality

LONG = pytest.mark.long
MOSTLY = 0.75  # of the labels: a starved eye sends nothing for a while, and is done without
ON = '{} goes on; back with the first pair'


@pytest.mark.parametrize('lost', [DEPTH, pytest.param(RGB, marks=LONG)])
def test_killed_process_is_done_without(case: Case, lost: Modality) -> None:
    with case.of('sensor', f'{lost} process killed', ON.format(OTHER[lost]), losses=1):
        case.world.kill(lost)
        case.world.wait_for_mode(str(OTHER[lost]))
        case.world.wait_for_labels(str(OTHER[lost]))
        case.world.start(lost)


@pytest.mark.parametrize('lost', [pytest.param(DEPTH, marks=LONG), RGB])
def test_stopped_process_is_done_without_until_it_goes_on(case: Case, lost: Modality) -> None:
    with case.of('sensor', f'{lost} process stopped', ON.format(OTHER[lost]), losses=3):
        for _ in range(3):
            case.world.signal(lost, signal.SIGSTOP)
            case.world.wait_for_mode(str(OTHER[lost]))
            case.world.wait_for_labels(str(OTHER[lost]))
            case.world.signal(lost, signal.SIGCONT)
            case.world.wait_until_well()


def test_nothing_is_said_while_both_eyes_are_lost(case: Case) -> None:
    with case.of('sensor', 'both silent', 'mode none, no label; back with the first pair'):
        case.world.order(silent=True)
        case.world.wait_for_mode('none')
        time.sleep(0.5)  # what was under way has come
        quiet = time.time_ns()
        time.sleep(1.0)
        assert not case.world.labels(quiet)


@LONG
def test_flapping_sensor_is_done_without_and_taken_up_each_time(case: Case) -> None:
    cycles = 10
    with case.of('sensor', 'depth flapping, 10 cycles', ON.format('rgb'), losses=cycles):
        for _ in range(cycles):
            case.world.order(DEPTH, silent=True)
            case.world.wait_for_labels('rgb', 1)
            time.sleep(0.2)
            case.world.order(DEPTH)
            case.world.wait_for_labels('rgbd', 2)


@LONG
@pytest.mark.parametrize('slow', [DEPTH, RGB])
def test_slower_sensor_sets_the_pace_once_its_rate_is_known(case: Case, slow: Modality) -> None:
    with case.of('sensor', f'{slow} at a third of its rate', 'pairs again within 6 images'):
        case.world.order(slow, rate=RATE / 3)
        time.sleep(7 * 3 / RATE)
        learned = time.time_ns()
        case.world.wait_for_labels(None, 5)
        assert case.share('rgbd', learned) >= MOSTLY
