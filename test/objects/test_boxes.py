# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_perception.objects.boxes import Box

FRACTION = st.floats(-2, 2)
BOXES = st.builds(Box, FRACTION, FRACTION, st.floats(1e-3, 2), st.floats(1e-3, 2))


@settings(max_examples=30)
@given(st.integers(-50, 50), st.integers(-50, 50))
def test_overlap_is_one_with_itself_and_none_with_what_is_apart(across: int, down: int) -> None:
    box = Box(0.2, 0.3, 0.2, 0.2)
    other = box.moved(across / 100, down / 100)
    assert box.overlap(box) == pytest.approx(1)
    assert box.overlap(other) == pytest.approx(other.overlap(box))
    assert (box.overlap(other) > 1e-9) is (max(abs(across), abs(down)) < 20)


@given(BOXES)
def test_what_is_inside_is_within_the_picture_and_within_the_box(box: Box) -> None:
    inside = box.inside()
    assert inside.area <= box.area + 1e-9
    if inside.area > 0:
        assert min(inside.left, inside.top) >= 0
        assert max(inside.right, inside.bottom) <= 1 + 1e-9
        assert inside.overlap(box) == pytest.approx(inside.area / box.area)


@given(BOXES, st.floats(0, 1))
def test_margin_is_a_fraction_of_the_boxs_own_size(box: Box, margin: float) -> None:
    wide = box.widened(margin)
    assert wide.width == pytest.approx(box.width * (1 + 2 * margin))
    assert wide.left + wide.width / 2 == pytest.approx(box.left + box.width / 2)
    assert wide.overlap(box) == pytest.approx(1 / (1 + 2 * margin) ** 2)


@given(BOXES, BOXES)
def test_box_that_is_drawn_to_another_is_between_them(box: Box, other: Box) -> None:
    assert box.drawn_to(other, 0) == box
    assert box.drawn_to(other, 1) == pytest.approx(other)
    assert box.drawn_to(other, 0.5).left == pytest.approx((box.left + other.left) / 2)


def test_eccentricity_is_the_distance_of_the_middles() -> None:
    assert Box(0.4, 0.4, 0.2, 0.2).eccentricity == pytest.approx(0)
    assert Box(0.7, 0.8, 0.2, 0.2).eccentricity == pytest.approx(0.5)
