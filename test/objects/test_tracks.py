# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mm_perception.health import NS
from mm_perception.objects.boxes import Box
from mm_perception.objects.tracks import Tracks, TrackSettings

Picture = NDArray[np.uint8]
PERIOD = NS // 10
LEFT, RIGHT = Box(0.2, 0.4, 0.15, 0.2), Box(0.6, 0.4, 0.15, 0.2)
FLAT: Picture = np.full((240, 320, 3), 90, np.uint8)


def scene(across: int = 0, down: int = 0) -> Picture:
    """A picture with texture, moved by so many pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    y, x = 30 - down, 40 - across
    return np.ascontiguousarray(smooth[y : y + 240, x : x + 320])


def test_object_keeps_its_id_while_it_moves_and_another_gets_the_next() -> None:
    tracks = Tracks()
    ids = set()
    for step in range(20):
        found = [LEFT.moved(0.01 * step, 0), RIGHT]
        ids |= {t.id for t in tracks.update(step * PERIOD, found, None)}
    assert ids == {1, 2}
    more = tracks.update(20 * PERIOD, [RIGHT, Box(0.1, 0.1, 0.1, 0.1)], None)
    assert [t.id for t in more] == [2, 3]


@settings(max_examples=30)
@given(st.permutations(range(4)), st.lists(st.floats(-0.02, 0.02), min_size=8, max_size=8))
def test_order_in_which_boxes_are_found_changes_no_identity(
    order: list[int], moves: list[float]
) -> None:
    boxes = [Box(0.2 * i + 0.05, 0.4, 0.12, 0.2) for i in range(4)]
    tracks = Tracks()
    before = {t.id: t.box for t in tracks.update(0, boxes, None)}
    moved = [boxes[i].moved(moves[i], moves[i + 4]) for i in order]
    after = {t.id: t.box for t in tracks.update(PERIOD, moved, None)}
    assert before.keys() == after.keys()
    for number, box in before.items():
        assert abs(after[number].left - box.left) <= 0.02 + 1e-9


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * NS),
            st.one_of(st.none(), st.lists(st.sampled_from([LEFT, RIGHT]), max_size=3)),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_whatever_comes_ids_are_unique_and_nothing_is_carried_for_too_long(
    frames: list[tuple[int, list[Box] | None, bool]],
) -> None:
    tracks, stamp, highest = Tracks(), 0, 0
    for step, found, colour in frames:
        stamp += step
        now = tracks.update(stamp, found, scene() if colour else None)
        assert len({t.id for t in now}) == len(now)
        assert len([t for t in now if not t.carried]) == len(found or [])
        new = [t.id for t in now if t.id > highest]
        assert all(not t.carried for t in now if t.id in new)
        highest = max([highest, *new])
        for track in now:
            assert stamp - track.seen <= 2 * NS


def test_box_that_shakes_is_steadied_and_one_that_jumps_is_followed() -> None:
    random = np.random.default_rng(0)
    tracks = Tracks()
    shaken = [LEFT.moved(*random.normal(0, 0.005, 2)) for _ in range(100)]
    shown = [tracks.update(i * PERIOD, [box], None)[0].box for i, box in enumerate(shaken)]
    spread = np.std([box.left for box in shown[10:]])
    assert spread < 0.75 * np.std([box.left for box in shaken[10:]])
    far = LEFT.moved(0.09, 0)
    assert tracks.update(100 * PERIOD, [far], None)[0].box.overlap(far) > 0.75


def test_boxes_are_carried_on_with_the_picture_when_depth_is_gone() -> None:
    tracks = Tracks()
    tracks.update(0, [LEFT, RIGHT], scene())
    for step in range(1, 11):
        now = tracks.update(step * PERIOD, None, scene(3 * step, -2 * step))
        assert [t.id for t in now] == [1, 2]
        assert all(t.carried for t in now)
        for track, box in zip(now, (LEFT, RIGHT), strict=True):
            assert track.box.overlap(box.moved(3 * step / 320, -2 * step / 240)) > 0.9
    back = tracks.update(11 * PERIOD, [LEFT.moved(33 / 320, -22 / 240)], scene(33, -22))
    assert (back[0].id, back[0].carried) == (1, False)


def test_boxes_are_carried_for_so_long_and_no_longer() -> None:
    tracks = Tracks(TrackSettings(carry=1.0, missed=0.25))
    for step in range(4):
        tracks.update(step * PERIOD, [LEFT, RIGHT], scene())
    assert len(tracks.update(5 * PERIOD, [LEFT], scene())) == 2  # one is missed
    assert len(tracks.update(6 * PERIOD, [LEFT], scene())) == 1
    assert len(tracks.update(16 * PERIOD, None, scene())) == 1
    assert tracks.update(16 * PERIOD + 1, None, scene()) == []


def test_what_was_found_but_once_is_not_waited_for() -> None:
    tracks = Tracks()
    tracks.update(0, [LEFT], scene())
    tracks.update(PERIOD, [LEFT, RIGHT], scene())
    assert [t.id for t in tracks.update(2 * PERIOD, [LEFT], scene())] == [1]


def test_nothing_is_carried_whose_motion_cannot_be_told() -> None:
    other = np.random.default_rng(1).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    smaller = np.ascontiguousarray(scene()[::2, ::2])
    for before, after in ((FLAT, FLAT), (scene(), FLAT), (scene(), other), (scene(), smaller)):
        tracks = Tracks()
        tracks.update(0, [LEFT], before)
        assert tracks.update(PERIOD, None, after) == []
    for before, after in ((scene(), None), (None, scene())):
        tracks = Tracks()
        tracks.update(0, [LEFT], before)
        assert tracks.update(PERIOD, None, after) == []


def test_what_leaves_the_picture_is_dropped() -> None:
    tracks = Tracks()
    tracks.update(0, [Box(0.02, 0.4, 0.15, 0.2)], scene())
    gone = [len(tracks.update(i * PERIOD, None, scene(-5 * i))) for i in range(1, 8)]
    assert gone[0] == 1
    assert gone[-1] == 0


def test_first_frame_without_depth_has_no_object() -> None:
    tracks = Tracks()
    assert tracks.update(0, None, scene()) == []
    assert tracks.update(PERIOD, None, scene()) == []


def test_stamps_that_go_back_begin_anew() -> None:
    tracks = Tracks()
    tracks.update(100 * NS, [LEFT], scene())
    (track,) = tracks.update(5 * NS, [LEFT], scene())
    assert track.id == 2
    tracks = Tracks()
    tracks.update(100 * NS, [LEFT], scene())
    assert tracks.update(99 * NS, None, scene()) == []


def test_it_goes_by_the_stamps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for clock in ('time', 'time_ns', 'monotonic', 'monotonic_ns', 'perf_counter'):
        monkeypatch.setattr(f'time.{clock}', lambda: pytest.fail('a clock was read'))
    tracks = Tracks()
    tracks.update(0, [LEFT], scene())
    assert len(tracks.update(PERIOD, None, scene())) == 1
