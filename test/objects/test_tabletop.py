# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError
from tables import CAMERA, FOCAL, HEIGHT, WIDTH, Block, Table

from mm_perception.depth.registration import Intrinsics
from mm_perception.objects.tabletop import TabletopSettings, find_objects

USUAL = TabletopSettings()
CUP = Block(0.0, 0.0, 0.4, (0.08, 0.08, 0.1))
IN_A_ROW = tuple(Block(x, 0.05 * x, x, (0.09, 0.07, 0.08)) for x in (-0.2, 0.0, 0.2))


@pytest.fixture(autouse=True)
def _no_warning() -> None:
    warnings.simplefilter('error')


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table from anywhere above it, with blocks in some of the squares of a chessboard."""
    blocks = []
    for x in (-0.25, 0.0, 0.25):
        for y in (-0.2, 0.05, 0.3):
            if draw(st.booleans()):
                sides = tuple(draw(st.floats(0.05, 0.13)) for _ in range(3))
                moved = draw(st.floats(-0.02, 0.02)), draw(st.floats(-0.02, 0.02))
                yaw = draw(st.floats(0, 3))
                blocks.append(Block(x + moved[0], y + moved[1], yaw, sides))
    return Table(
        distance=draw(st.floats(0.7, 1.3)),
        pitch=draw(st.floats(25, 75)),
        roll=draw(st.floats(-15, 15)),
        blocks=tuple(blocks),
        wall=draw(st.floats(1.9, 5)),
    )


@settings(max_examples=15)
@given(tables(), st.integers(0, 100))
def test_blocks_on_a_table_are_found_where_they_are_and_nothing_else_is(
    table: Table, seed: int
) -> None:
    found = find_objects(table.depth(seed), USUAL, CAMERA)
    expected = [
        box
        for box, share in table.seen()
        if box is not None
        and share > 0.7
        and min(box.left, box.top) > 0.02
        and max(box.right, box.bottom) < 0.98
    ]
    for box in expected:
        assert max((box.overlap(each) for each in found), default=0) >= 0.6
    assert len(found) <= len(table.blocks)


def test_half_hidden_object_is_one_object_of_its_own() -> None:
    before = Block(0.0, -0.2, 0.0, (0.05, 0.05, 0.16))
    behind = Block(0.0, 0.05, 0.0, (0.2, 0.06, 0.1))
    table = Table(pitch=30, blocks=(before, behind))
    found = find_objects(table.depth(), USUAL, CAMERA)
    assert len(found) == 2
    for box, _ in table.seen():
        assert box is not None
        assert max(box.overlap(each) for each in found) >= 0.7


@pytest.mark.parametrize('apart', [0.0, 0.01])
def test_what_stands_nearer_than_the_gap_is_one_object(apart: float) -> None:
    pair = tuple(Block(x, 0.0, 0.0, (0.08, 0.08, 0.08)) for x in (-0.04, 0.04 + apart))
    assert len(find_objects(Table(blocks=pair).depth(), USUAL, CAMERA)) == 1
    far = tuple(Block(x, 0.0, 0.0, (0.08, 0.08, 0.08)) for x in (-0.04, 0.1))
    assert len(find_objects(Table(blocks=far).depth(), USUAL, CAMERA)) == 2


def test_hollow_object_is_one_with_what_is_in_it() -> None:
    walls = (
        Block(0.0, -0.08, 0.0, (0.17, 0.01, 0.08)),
        Block(-0.08, 0.0, 0.0, (0.01, 0.16, 0.08)),
        Block(0.08, 0.0, 0.0, (0.01, 0.16, 0.08)),
    )
    inside = Block(0.0, 0.01, 0.0, (0.05, 0.05, 0.05))
    assert len(find_objects(Table(pitch=65, blocks=walls).depth(), USUAL, CAMERA)) == 1
    hollow = Table(pitch=65, blocks=(*walls, inside))
    assert len(find_objects(hollow.depth(), USUAL, CAMERA)) == 1


def test_same_picture_gives_the_same_boxes() -> None:
    depth = Table(blocks=IN_A_ROW).depth()
    assert find_objects(depth, USUAL) == find_objects(depth, USUAL)


def test_other_resolution_sees_the_same_objects() -> None:
    depth = Table(blocks=IN_A_ROW).depth()
    large = depth.repeat(3, 0).repeat(3, 1)
    once, again = find_objects(depth, USUAL, CAMERA), find_objects(large, USUAL, CAMERA)
    assert len(once) == len(again) == 3
    for box in once:
        assert max(box.overlap(each) for each in again) > 0.85


def test_without_camera_info_a_kinects_view_is_taken() -> None:
    depth = Table(blocks=IN_A_ROW).depth()
    known = find_objects(depth, USUAL, CAMERA)
    for camera in (None, Intrinsics(WIDTH, HEIGHT, (0.0,) * 9), Intrinsics(0, 0, CAMERA.k)):
        for box in find_objects(depth, USUAL, camera):
            assert max(box.overlap(each) for each in known) > 0.8


@pytest.mark.parametrize('focal', [1e-12, 1e12, float('nan'), float('inf'), -285.0])
def test_camera_info_that_cannot_be_is_no_exception(focal: float) -> None:
    camera = Intrinsics(WIDTH, HEIGHT, (focal, 0, 160, 0, focal, 120, 0, 0, 1))
    find_objects(Table(blocks=IN_A_ROW).depth(), USUAL, camera)


@settings(max_examples=12)
@given(
    st.floats(0.5, 1.8),
    st.floats(20, 79),
    st.floats(-20, 20),
    st.floats(0, 0.002),
    st.integers(0, 1000),
)
def test_an_empty_table_has_no_object(
    distance: float, pitch: float, roll: float, noise: float, seed: int
) -> None:
    table = Table(distance, pitch, roll, noise=noise)
    assert find_objects(table.depth(seed), USUAL, CAMERA) == []


@settings(max_examples=50)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        elements=st.one_of(
            st.just(np.float32('nan')),
            st.floats(0.3125, 2, width=32),
            st.floats(width=32),
        ),
    )
)
def test_any_depth_gives_boxes_inside_the_picture_or_none(depth: np.ndarray) -> None:
    for box in find_objects(depth, USUAL):
        assert 0 <= box.left < box.right <= 1 + 1e-9
        assert 0 <= box.top < box.bottom <= 1 + 1e-9


@pytest.mark.parametrize('value', [np.nan, 0.0, 1.0, 100.0, np.inf, -1.0])
def test_depth_that_is_the_same_everywhere_has_no_object(value: float) -> None:
    assert find_objects(np.full((HEIGHT, WIDTH), value, np.float32), USUAL) == []


def test_wall_ahead_is_no_table() -> None:
    depth = Table(distance=1.0, pitch=89.9, blocks=(CUP,)).depth()
    assert find_objects(depth, USUAL, CAMERA) == []
    straight_down = TabletopSettings(max_pitch=90)
    assert len(find_objects(depth, straight_down, CAMERA)) == 1


def test_table_is_found_above_its_shelf_and_the_top_of_a_large_box_is_none() -> None:
    parcel = Block(0.0, 0.0, 0.3, (0.3, 0.3, 0.12))
    table = Table(distance=0.9, pitch=55, blocks=(parcel,))
    (box, _), *_ = table.seen()
    found = find_objects(table.depth(), USUAL, CAMERA)
    assert box is not None
    assert len(found) == 1
    assert found[0].overlap(box) > 0.8
    board = Block(0.0, 0.15, 0.0, (1.2, 0.6, 0.3))  # above a larger shelf, which is the plane below
    high = replace(CUP, y=0.15, lifted=0.3)
    shelf = Table(distance=1.4, pitch=35, blocks=(board, high), size=(1.6, 1.6))
    (_, _), (box, _) = shelf.seen()
    found = find_objects(shelf.depth(), USUAL, CAMERA)
    assert box is not None
    assert len(found) == 1
    assert found[0].overlap(box) > 0.6


def test_what_hovers_over_the_table_is_no_object() -> None:
    hand = Block(0.0, 0.0, 0.0, (0.1, 0.1, 0.06), lifted=0.12)
    assert find_objects(Table(blocks=(hand,)).depth(), USUAL, CAMERA) == []


def test_what_stands_beside_the_table_is_no_object() -> None:
    beside = Block(0.5, 0.0, 0.0, (0.1, 0.1, 0.2))
    table = Table(distance=1.3, blocks=(CUP, beside), size=(0.6, 0.6))
    assert len(find_objects(table.depth(), USUAL, CAMERA)) == 1


@pytest.mark.parametrize('sides', [(0.02, 0.02, 0.025), (0.7, 0.1, 0.1)])
def test_what_is_too_small_or_too_large_is_no_object(sides: tuple[float, float, float]) -> None:
    thing = Block(0.0, 0.0, 0.0, sides)
    assert find_objects(Table(blocks=(thing,)).depth(), USUAL, CAMERA) == []


def test_object_of_which_a_sliver_is_seen_at_the_border_is_left_out() -> None:
    half_width = 0.5 * WIDTH / FOCAL
    cut = Block(half_width, 0.0, 0.0, (0.1, 0.1, 0.12))
    sliver = Block(half_width + 0.035, 0.0, 0.0, (0.1, 0.1, 0.12))
    assert len(find_objects(Table(blocks=(CUP, cut), size=(2, 1)).depth(), USUAL, CAMERA)) == 2
    assert len(find_objects(Table(blocks=(CUP, sliver), size=(2, 1)).depth(), USUAL, CAMERA)) == 1


@pytest.mark.parametrize(
    ('given_settings', 'message'),
    [
        ({'near': 2.5}, 'near 2.5 has to be less than far 2'),
        ({'min_height': 0.5}, 'min_height 0.5 has to be less than max_height 0.5'),
        ({'min_size': 0.6}, 'min_size 0.6 has to be less than max_size 0.5'),
        ({'gap': 0}, 'greater than or equal to 0.005'),
        ({'max_pitch': 91}, 'less than or equal to 90'),
        ({'tolerance': float('nan')}, 'finite number'),
        ({'tilt': 3}, 'Extra inputs'),
    ],
)
def test_wrong_setting_is_refused_saying_what_is_allowed(
    given_settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        TabletopSettings(**given_settings)
