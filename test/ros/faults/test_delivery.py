# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What may go wrong between a camera, the node, and those who listen to it."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest
from outside import until
from world import DEPTH, DOMAIN, OTHER, RGB, Operator, World

from training.live.environment import live_environment
from training.live.processes import Child

if TYPE_CHECKING:
    from collections.abc import Iterator

    from case import Case

    from mm_perception.observation import Modality

LONG = pytest.mark.long
NAMED = 2.0  # seconds within which a fault that can be seen at once is named


def test_publisher_that_cannot_reach_the_node_is_named(case: Case, operator: Operator) -> None:
    promise = 'no label; the QoS is named within 2 s'
    with case.of('transport', 'best-effort camera, reliable subscription', promise, pauses=True):
        with operator.with_parameters(reliability='reliable'):
            active = time.time_ns()
            assert case.blamed('depth', 'QoS') <= (active - case.start) / 1e9 + NAMED
            case.blamed('rgb', 'set reliability to best_effort')
            quiet = time.time_ns()
            time.sleep(0.5)
            assert not case.world.labels(quiet)
        case.world.wait_until_well()


@LONG
def test_reliable_camera_is_heard_as_well(case: Case) -> None:
    with case.of('transport', 'reliable camera, best-effort subscription', 'labels from both'):
        case.world.restart('--reliability', 'reliable')
        case.world.wait_until_well()
        case.world.restart()


@LONG
@pytest.mark.parametrize('wrong', [DEPTH, RGB])
def test_topic_of_another_type_is_named(case: Case, wrong: Modality) -> None:
    promise = f'{OTHER[wrong]} goes on; the type is named'
    with case.of('transport', f'text on the topic of {wrong}', promise, losses=1):
        case.world.quit(wrong)
        case.world.wait_for_mode(str(OTHER[wrong]))
        case.world.start(wrong, '--text')
        case.blamed(str(wrong), 'std_msgs/msg/String')  # DDS may take 3 s to tell of a process
        case.world.wait_for_labels(str(OTHER[wrong]))
        case.world.quit(wrong)


@pytest.fixture(scope='module')
def packed(world: World, operator: Operator) -> Iterator[None]:
    """Both eyes compress their images."""
    world.usual = ('--compressed',)
    world.restart()
    with operator.with_parameters(rgb_transport='compressed', depth_transport='compressedDepth'):
        yield
        world.usual = ()
        world.restart()


@LONG
@pytest.mark.usefixtures('packed')
@pytest.mark.parametrize('data', ['garbage', 'none'])
@pytest.mark.parametrize('bad', [DEPTH, RGB])
def test_damaged_compressed_images_are_done_without(case: Case, bad: Modality, data: str) -> None:
    what = {'garbage': 'random bytes', 'none': 'no bytes'}[data]
    promise = f'{OTHER[bad]} goes on; the reason is named'
    reason = 'starts with' if bad is RGB or data == 'garbage' else 'too few'
    with case.of('transport', f'{what} as compressed {bad}', promise, losses=3):
        for _ in range(3):
            begun = time.time_ns()
            case.world.order(bad, data=data)
            case.world.wait_for_mode(str(OTHER[bad]))
            case.world.wait_for_status(str(bad), reason, begun)
            case.world.wait_for_labels(str(OTHER[bad]))
            case.world.order()
            case.world.wait_until_well()


@LONG
def test_listeners_that_come_and_go_hold_up_no_label(case: Case) -> None:
    command = [sys.executable, '-m', 'training.live.listener']
    with case.of('transport', '5 listeners come and go', 'labels from both, as soon as ever'):
        for number in range(5):
            heard: list[object] = []
            log = case.world.folder / f'guest_{number}.log'
            with Child('guest', command, live_environment(DOMAIN), log, told=heard.append):
                until(lambda heard=heard: len(heard) > 20, 'what the node says')


def test_listener_that_does_not_read_slows_nobody(case: Case) -> None:
    log = case.world.folder / 'deaf.log'
    command = [sys.executable, '-m', 'training.live.listener']
    heard: list[object] = []
    with (
        case.of('transport', 'a reliable listener stopped', 'labels go on as before'),
        Child('deaf', command, live_environment(DOMAIN), log, told=heard.append) as deaf,
    ):
        until(lambda: len(heard) > 20, 'what the node says')
        deaf._process.send_signal(signal.SIGSTOP)
        case.world.wait_for_labels('rgbd', 40)
        deaf._process.send_signal(signal.SIGCONT)
