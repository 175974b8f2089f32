# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The timeline's data is what happened, and its picture can be drawn of anything."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import cv2
import pytest
import test_judge as hand
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.observation import Modality
from training.live.events import Event, Mode
from training.live.judge import judge
from training.live.timeline import Span, Timeline, draw, spans

if TYPE_CHECKING:
    from pathlib import Path

S = 1_000_000_000


def cap_then_mug(bag_time: int) -> str | None:
    return 'cap' if bag_time < 0.5 * S else 'mug'


def session() -> list[Event]:
    return [
        Mode(wall=hand.wall(-500), mode='none'),  # before the first image
        *hand.playing(1, {Modality.DEPTH: (300, 600)}),
        *hand.HEARD,
        Mode(wall=hand.wall(1100), mode='none'),  # after everything
    ]


def test_session_worked_out_by_hand_is_laid_out_in_seconds() -> None:
    verdict = judge(session(), cap_then_mug)
    timeline = Timeline.of(session(), verdict, cap_then_mug)
    assert timeline.end == pytest.approx(0.905)  # depth's last image and the last label
    assert timeline.truth == [Span(0, 0.5, 'cap'), Span(0.5, 0.905, 'mug')]
    assert timeline.modes == [
        Span(0, 0.15, 'none'),
        Span(0.15, 0.43, 'rgbd'),
        Span(0.43, 0.606, 'rgb'),
        Span(0.606, 0.905, 'rgbd'),
    ]
    assert timeline.lost == [Span(0.205, 0.605, 'depth')]
    assert [(t, j.right) for t, j in timeline.labels] == [
        (0.28, False),
        (0.48, False),
        (0.56, False),
        (0.72, True),
        (0.905, True),
    ]


def test_sensor_lost_to_the_end_is_lost_to_the_timelines_end() -> None:
    played = hand.playing(1, {Modality.RGB: (300, 9000)})
    timeline = Timeline.of(played, judge(played, hand.always_a_mug), hand.always_a_mug)
    assert timeline.lost == [Span(0.2, 0.905, 'rgb')]


@given(
    st.lists(st.tuples(st.integers(-50, 150), st.sampled_from(['a', 'b', None])), max_size=12),
    st.integers(1, 100),
)
def test_spans_hold_at_each_moment_the_newest_value(
    changes: list[tuple[int, str | None]], end: int
) -> None:
    """Against a plain look-up of every moment; times are whole ns."""
    changes = sorted(changes, key=lambda change: change[0])
    found = spans(changes, 0, end)
    for moment in range(end):
        before = [value for wall, value in changes if wall <= moment]
        expected = before[-1] if before else None
        at = [s.name for s in found if round(s.start * S) <= moment < round(s.end * S)]
        assert at == ([] if expected is None else [expected])
    assert all(
        one.end < two.start or one.name != two.name for one, two in itertools.pairwise(found)
    )


def test_picture_is_drawn_of_a_session_and_of_none(tmp_path: Path) -> None:
    for name, events in (('some', session()), ('none', [])):
        verdict = judge(events, cap_then_mug)
        path = tmp_path / f'{name}.png'
        draw(Timeline.of(events, verdict, cap_then_mug), path, 'mug_1')
        picture = cv2.imread(str(path))
        assert picture.shape[1] > 1000
        assert picture.std() > 1  # something is on it
