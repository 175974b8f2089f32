# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Sensors that send what cannot be used, or what they did not send before."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from world import DEPTH, OTHER, RGB

if TYPE_CHECKING:
    from case import Case

    from mm_perception.observation import Modality

LONG = pytest.mark.long
TIMES = 3  # so that one of them may be the machine's fault
USELESS = [
    pytest.param(RGB, 'black', 'black', id='rgb black'),
    pytest.param(RGB, 'white', 'white', id='rgb saturated', marks=LONG),
    pytest.param(RGB, 'colour', 'one colour', id='rgb of one colour', marks=LONG),
    pytest.param(DEPTH, 'zero', '100% of the depth is invalid', id='depth all 0', marks=LONG),
    pytest.param(DEPTH, 'nan', '100% of the depth is invalid', id='depth all NaN, 32FC1'),
    pytest.param(DEPTH, 'level', 'everywhere', id='depth of one value', marks=LONG),
    pytest.param(DEPTH, 'frozen', 'frozen', id='depth frozen, stamps fresh'),
    pytest.param(RGB, 'frozen', 'frozen', id='rgb frozen, stamps fresh', marks=LONG),
]
BROKEN = [
    pytest.param(RGB, {'encoding': 'yuv422'}, "'yuv422'", id='rgb of unknown encoding', marks=LONG),
    pytest.param(
        DEPTH, {'encoding': 'rgb8'}, "'rgb8'", id='depth in a colour encoding', marks=LONG
    ),
    pytest.param(RGB, {'step': 'short'}, 'step', id='rgb with a step below its row'),
    pytest.param(
        DEPTH, {'step': 'long'}, 'bytes', id='depth with a step beyond its data', marks=LONG
    ),
    pytest.param(RGB, {'data': 'none'}, 'bytes', id='rgb without data', marks=LONG),
    pytest.param(DEPTH, {'data': 'none'}, 'bytes', id='depth without data', marks=LONG),
]
CHANGED = [
    pytest.param((RGB, DEPTH), {'scale': 2}, id='both at half the size', marks=LONG),
    pytest.param((RGB,), {'scale': 2}, id='rgb at half the size', marks=LONG),
    pytest.param((RGB,), {'encoding': 'bgr8'}, id='rgb as bgr8', marks=LONG),
    pytest.param((RGB,), {'encoding': 'rgba8'}, id='rgb as rgba8', marks=LONG),
    pytest.param((RGB,), {'encoding': 'mono8'}, id='rgb as mono8', marks=LONG),
    pytest.param((DEPTH,), {'encoding': '32FC1'}, id='depth as 32FC1', marks=LONG),
    pytest.param((RGB, DEPTH), {'step': 'margin'}, id='both with a margin in each row', marks=LONG),
]


def goes_without(
    case: Case, request: pytest.FixtureRequest, bad: Modality, orders: dict[str, Any], reason: str
) -> None:
    fault, promise = request.node.callspec.id, f'{OTHER[bad]} goes on; the reason is named'
    with case.of('image', fault, promise, losses=TIMES):
        for _ in range(TIMES):
            begun = time.time_ns()
            case.world.order(bad, **orders)
            case.world.wait_for_mode(str(OTHER[bad]))
            case.world.wait_for_status(str(bad), reason, begun)
            case.world.wait_for_labels(str(OTHER[bad]))
            case.world.order()
            case.world.wait_until_well()


@pytest.mark.parametrize(('bad', 'picture', 'reason'), USELESS)
def test_picture_that_shows_nothing_is_done_without(
    case: Case, request: pytest.FixtureRequest, bad: Modality, picture: str, reason: str
) -> None:
    goes_without(case, request, bad, {'picture': picture}, reason)


@pytest.mark.parametrize(('bad', 'orders', 'reason'), BROKEN)
def test_image_that_cannot_be_read_is_done_without(
    case: Case, request: pytest.FixtureRequest, bad: Modality, orders: dict[str, Any], reason: str
) -> None:
    goes_without(case, request, bad, orders, reason)


@pytest.mark.parametrize(('changed', 'orders'), CHANGED)
def test_image_of_another_form_is_labelled_as_before(
    case: Case,
    request: pytest.FixtureRequest,
    changed: tuple[Modality, ...],
    orders: dict[str, Any],
) -> None:
    with case.of('image', request.node.callspec.id, 'labels go on from both'):
        case.world.order(*changed, **orders)
        case.world.wait_for_labels('rgbd', 8)


@LONG
def test_nothing_is_said_while_both_eyes_show_nothing(case: Case) -> None:
    with case.of('image', 'rgb black and depth all 0', 'mode none, no label'):
        case.world.order(RGB, picture='black')
        case.world.order(DEPTH, picture='zero')
        case.world.wait_for_mode('none')
        time.sleep(0.5)  # what was under way has come
        quiet = time.time_ns()
        time.sleep(1.0)
        assert not case.world.labels(quiet)
