# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A label of some frames covers them, and no other frame."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.features.dataset import Rows
from training.labelling.frames import NONE, Take, edges
from training.recordings.label_writing import painted
from training.recordings.labels import _TOLERANCE, Labels

NS = 10**9
TIMES = st.lists(st.integers(0, 20 * NS), min_size=1, max_size=12, unique=True).map(sorted)


def take(times: list[int], duration: float = 20.0) -> Take:
    return Take.of(Rows('bag', torch.tensor(times, dtype=torch.int64), {}, {}), duration)


@given(TIMES, st.data())
def test_a_label_covers_the_frames_that_it_was_given_to_and_no_other(
    times: list[int], data: st.DataObject
) -> None:
    mine = take(times)
    first = data.draw(st.integers(0, len(times) - 1))
    last = data.draw(st.integers(first, len(times) - 1))
    start, end = mine.span(first, last)
    labels = Labels({'bag': painted([], start, end, 'mug')})
    expected = [first <= i <= last for i in range(len(times))]
    assert [labels.at('bag', time) == 'mug' for time in times] == expected
    assert mine.classes(labels, {'mug': 0}).tolist() == [0 if e else NONE for e in expected]
    # Training reads it: the start lies within the recording, and the end not much after it.
    assert 0 <= start <= 20 * NS
    assert end <= (20 + _TOLERANCE) * NS


@given(TIMES, st.integers(1, 10**9))
def test_neighbours_share_an_edge(times: list[int], spread: int) -> None:
    found = edges(np.array(times) // spread, 20 * NS // spread)
    assert len(found) == len(times) + 1
    assert (np.diff(found[1:-1]) >= 0).all()


def test_edges_of_a_steady_camera_are_whole_milliseconds() -> None:
    times = [100_123_456, 200_234_567, 300_345_678]
    assert [e % 10**6 for e in edges(np.array(times), NS)[:-1]] == [0, 0, 0]


def test_frames_of_the_same_moment_have_the_same_label() -> None:
    mine = take([5, 5, 900])
    for index in (0, 1):
        start, end = mine.span(index, index)
        labels = Labels({'bag': painted([], start, end, 'mug')})
        assert mine.classes(labels, {'mug': 0}).tolist() == [0, 0, NONE]
