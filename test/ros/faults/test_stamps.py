# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Stamps, clocks and orders that are not as they should be."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from orders import RATE
from outside import NS
from world import DEPTH, OTHER, RGB, Operator

if TYPE_CHECKING:
    from case import Case

    from mm_perception.observation import Modality

PERIOD = 1 / RATE
MOSTLY = 0.8  # of the labels: a starved eye sends nothing for a while, and is done without
SETTLE = 8 * PERIOD  # seconds in which the node learns what has changed
LONG = pytest.mark.long
HARMLESS = [
    pytest.param((RGB,), {'stamp': 'zero'}, id='rgb stamps 0', marks=LONG),
    pytest.param((RGB, DEPTH), {'stamp': 'zero'}, id='all stamps 0', marks=LONG),
    pytest.param((RGB, DEPTH), {'offset': 3600.0}, id='all stamps an hour ahead', marks=LONG),
    pytest.param((RGB, DEPTH), {'offset': -100.0}, id='stamps jump back 100 s: a bag loops'),
    pytest.param((RGB, DEPTH), {'offset': -0.3}, id='stamps jump back 0.3 s', marks=LONG),
    pytest.param((DEPTH,), {'copies': 2}, id='each depth image twice', marks=LONG),
    pytest.param((RGB, DEPTH), {'copies': 3}, id='all images three times', marks=LONG),
    pytest.param((RGB, DEPTH), {'swap': True}, id='images in the wrong order', marks=LONG),
    pytest.param((RGB, DEPTH), {'latency': 0.2}, id='all images 200 ms late', marks=LONG),
    pytest.param((DEPTH,), {'latency': 0.08}, id='depth 80 ms late', marks=LONG),
]
APART = [
    pytest.param(DEPTH, {'offset': 3600.0}, id='depth stamps an hour ahead', marks=LONG),
    pytest.param(RGB, {'offset': -100.0}, id='rgb stamps 100 s back', marks=LONG),
    pytest.param(DEPTH, {'latency': 0.2}, id='depth 200 ms late'),
    pytest.param(RGB, {'latency': 0.2}, id='rgb 200 ms late', marks=LONG),
]


@pytest.mark.parametrize(('changed', 'orders'), HARMLESS)
def test_stamps_that_can_be_understood_are_labelled_from_both(
    case: Case,
    request: pytest.FixtureRequest,
    changed: tuple[Modality, ...],
    orders: dict[str, Any],
) -> None:
    with case.of(
        'stamps', request.node.callspec.id, 'labels from both again in 8 periods', timed=False
    ):
        case.world.order(*changed, **orders)
        time.sleep(SETTLE)
        settled = time.time_ns()
        case.world.wait_for_labels('rgbd', 8)
        assert case.share('rgbd', settled) >= MOSTLY


@pytest.mark.parametrize(('changed', 'orders'), APART)
def test_images_that_never_come_together_are_labelled_from_rgb_alone(
    case: Case, request: pytest.FixtureRequest, changed: Modality, orders: dict[str, Any]
) -> None:
    with case.of(
        'stamps', request.node.callspec.id, 'rgb goes on alone; depth is blamed', timed=False
    ):
        case.world.order(changed, **orders)
        time.sleep(SETTLE)
        settled = time.time_ns()
        case.world.wait_for_labels('rgb', 8)
        assert case.share('rgb', settled) >= MOSTLY
        case.world.wait_for_mode('rgb')
        case.blamed('depth', 'from those of colour')


@LONG
def test_stamps_that_drift_apart_are_paired_only_while_they_belong_together(case: Case) -> None:
    with case.of(
        'stamps', 'stamps drift 1 s apart in 2 s', 'no pair beyond the slop; then rgb', timed=False
    ):
        case.world.order(DEPTH, drift=0.5)
        time.sleep(2.0)
        case.world.wait_for_labels('rgb', 4)
        case.blamed('depth', 'from those of colour')
        for label in case.world.labels(case.start, 'rgbd'):
            assert abs(label.stamps[RGB] - label.stamps[DEPTH]) <= 0.05 * NS


@LONG
@pytest.mark.parametrize('held', [DEPTH, RGB])
def test_burst_after_silence_is_not_taken_for_what_is_seen_now(case: Case, held: Modality) -> None:
    with case.of(
        'stamps', f'{held} held back 1 s, then all at once', 'no label from old images', timed=False
    ):
        case.world.order(held, hold=True)
        case.world.wait_for_mode(str(OTHER[held]))
        time.sleep(1.0)


def test_burst_of_both_is_not_taken_for_what_is_seen_now(case: Case) -> None:
    with case.of(
        'stamps', 'both held back 1 s, then all at once', 'no label from old images', timed=False
    ):
        case.world.order(hold=True)
        case.world.wait_for_mode('none')
        time.sleep(1.0)


@LONG
def test_burst_of_the_only_eye_is_not_taken_for_what_is_seen_now(case: Case) -> None:
    with case.of('stamps', 'rgb dead, depth held back 1 s, then all at once', 'no old image'):
        case.world.kill(RGB)
        case.world.wait_for_mode('depth')
        case.world.order(DEPTH, hold=True)
        case.world.wait_for_mode('none')
        time.sleep(1.0)
        case.world.order(DEPTH)
        case.world.wait_for_labels('depth')


class SimulatedTime:
    """Tells a time that can be stopped, until it is closed."""

    def __init__(self, operator: Operator, offset: int) -> None:
        self.operator, self.offset = operator, offset
        self.running = threading.Event()
        self.running.set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)
        self._thread.start()

    def _tell(self) -> None:
        while not self._over.wait(0.01):
            if self.running.is_set():
                self.operator.tick(time.time_ns() + self.offset)

    def close(self) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def simulated_time(operator: Operator, offset: int) -> Iterator[SimulatedTime]:
    simulated = SimulatedTime(operator, offset)
    assert operator.set(use_sim_time=True)[0]
    try:
        yield simulated
    finally:
        simulated.close()
        assert operator.set(use_sim_time=False)[0]


@LONG
def test_simulated_time_that_is_paused_loses_no_sensor(case: Case, operator: Operator) -> None:
    seconds = 1000.0 - time.time()
    fault = 'simulated time paused for 1 s, then on'
    with (
        case.of('stamps', fault, 'no sensor is lost meanwhile; labels from both after'),
        simulated_time(operator, round(seconds * NS)) as simulated,
    ):
        case.world.order(offset=seconds)
        time.sleep(SETTLE)
        case.world.wait_until_well()
        case.world.order(silent=True)
        simulated.running.clear()
        paused = time.time_ns()
        time.sleep(1.0)
        assert case.world.mode() == 'rgbd'
        simulated.offset -= time.time_ns() - paused
        simulated.running.set()
        time.sleep(0.1)  # no image belongs to those of before
        case.world.order(offset=simulated.offset / NS)
        case.world.wait_until_well()
