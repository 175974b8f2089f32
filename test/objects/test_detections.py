# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.errors import ImageError
from mm_perception.health import NS
from mm_perception.objects.boxes import Box
from mm_perception.objects.detections import DetectionFinder
from mm_perception.objects.tabletop import TabletopSettings
from mm_perception.observation import Frame, Modality, Observation

RGB, DEPTH = Modality.RGB, Modality.DEPTH
START, PERIOD = 1_000 * NS, NS // 30
AGE, SLOP = 0.5, 0.05
WIDTH, HEIGHT = 320, 240
MUG, BOWL = (80, 60, 40, 30), (240, 180, 60, 60)  # middle, and sides


def detection(x: float, y: float, across: float, down: float, turn: float = 0.0) -> Any:
    centre = SimpleNamespace(position=SimpleNamespace(x=x, y=y), theta=turn)
    return SimpleNamespace(bbox=SimpleNamespace(center=centre, size_x=across, size_y=down))


def message(stamp: int, *boxes: tuple[float, ...]) -> Any:
    """Make a Detection2DArray, as far as it is looked at."""
    time = SimpleNamespace(sec=stamp // NS, nanosec=stamp % NS)
    header = SimpleNamespace(stamp=time, frame_id='camera')
    return SimpleNamespace(header=header, detections=[detection(*box) for box in boxes])


def picture(stamp: int, *modalities: Modality) -> Observation:
    shapes = {RGB: (HEIGHT, WIDTH, 3), DEPTH: (HEIGHT // 2, WIDTH // 2)}
    types: dict[Modality, Any] = {RGB: np.uint8, DEPTH: np.float32}
    return Observation.of(
        *(
            Frame(m, stamp, 'camera', np.zeros(shapes[m], types[m]))
            for m in modalities or (RGB, DEPTH)
        )
    )


@pytest.fixture
def finder() -> DetectionFinder:
    return DetectionFinder(AGE, SLOP, lambda: START)


def test_every_detection_is_an_object_where_it_was_detected(finder: DetectionFinder) -> None:
    finder.take(message(START, MUG, BOWL))
    found = {each.id: each for each in finder.find(picture(START))}
    assert [found[n].box for n in (1, 2)] == [
        pytest.approx((60 / WIDTH, 45 / HEIGHT, 40 / WIDTH, 30 / HEIGHT)),
        pytest.approx((210 / WIDTH, 150 / HEIGHT, 60 / WIDTH, 60 / HEIGHT)),
    ]
    assert not any(each.carried for each in found.values())
    assert found[1].view == pytest.approx(found[1].box.widened(TabletopSettings().margin))


def test_the_nearest_to_the_middle_comes_first_and_not_more_than_the_bundle_says() -> None:
    finder = DetectionFinder(AGE, SLOP, lambda: START, TabletopSettings(max_objects=2, margin=0))
    finder.take(message(START, MUG, (WIDTH / 2, HEIGHT / 2, 20, 20), BOWL))
    found = finder.find(picture(START))
    assert len(found) == 2
    assert found[0].box.eccentricity == pytest.approx(0)
    assert found[0].view == found[0].box


def test_an_image_takes_its_own_detections_and_before_they_come_the_last(
    finder: DetectionFinder,
) -> None:
    finder.take(message(START, MUG))
    late = finder.find(picture(START + 3 * PERIOD))
    assert [each.box for each in late] == [each.box for each in finder.find(picture(START))]
    finder.take(message(START + PERIOD, BOWL))
    finder.take(message(START + 3 * PERIOD, MUG, BOWL))
    assert len(finder.find(picture(START + 3 * PERIOD))) == 2
    assert len(finder.find(picture(START + PERIOD))) == 1, 'not those of a later picture'


@given(
    stamps=st.lists(st.integers(0, 3 * NS), max_size=12),
    image=st.integers(0, 3 * NS),
    age=st.floats(0, 2),
    slop=st.floats(0, 1),
)
def test_no_object_is_ever_made_of_stale_or_future_detections(
    stamps: list[int], image: int, age: float, slop: float
) -> None:
    finder = DetectionFinder(age, slop, lambda: START)
    for number, stamp in enumerate(stamps):
        # Each message's box has another width, so that one can tell whose it is.
        finder.take(message(START + stamp, (WIDTH / 2, HEIGHT / 2, 20 + number, 20)))
    try:
        (found,) = finder.find(picture(START + image))
    except ImageError as error:
        assert 'detections' in str(error)  # noqa: PT017 - either is right, and each is looked at
        return
    used = stamps[round(found.box.width * WIDTH) - 20]
    assert -slop * NS <= image - used <= age * NS


@pytest.mark.parametrize(
    ('stamp', 'why'),
    [
        (None, 'no detections have come yet'),
        (START - NS, '1.00 s older than the image: is the detector running?'),
        (START + NS, '1.00 s newer than the image: do the detector and the camera'),
    ],
)
def test_without_detections_of_its_time_an_image_has_no_objects_and_it_is_said_why(
    finder: DetectionFinder, stamp: int | None, why: str
) -> None:
    if stamp is not None:
        finder.take(message(stamp, MUG))
    with pytest.raises(ImageError, match=why):
        finder.find(picture(START))


def test_newer_detections_do_not_hide_those_of_before(finder: DetectionFinder) -> None:
    finder.take(message(START - NS // 10, MUG))
    finder.take(message(START + NS // 12, BOWL, MUG))  # nearer, but of a moment to come
    assert len(finder.find(picture(START))) == 1


def test_slop_may_be_changed_meanwhile() -> None:
    finder = DetectionFinder(0.0, 0.01, lambda: START)
    finder.take(message(START + NS // 10, MUG))
    with pytest.raises(ImageError):
        finder.find(picture(START))
    finder.slop = 0.2
    assert len(finder.find(picture(START))) == 1


def test_where_nothing_was_detected_there_is_nothing(finder: DetectionFinder) -> None:
    finder.take(message(START))
    assert finder.find(picture(START)) == []


def test_objects_keep_their_id_whatever_the_order_in_which_they_are_told(
    finder: DetectionFinder,
) -> None:
    ids = []
    for number in range(6):
        moved = (MUG[0] + 3 * number, *MUG[1:])
        order = (moved, BOWL) if number % 2 else (BOWL, moved)
        finder.take(message(START + number * PERIOD, *order))
        found = finder.find(picture(START + number * PERIOD))
        ids.append({each.id: each.box.left < 0.5 for each in found})
    assert ids == ids[:1] * 6
    finder.take(message(START + 6 * PERIOD, BOWL))
    assert len(finder.find(picture(START + 6 * PERIOD))) == 1
    finder.take(message(START + 7 * PERIOD, BOWL, moved))
    assert len({*ids[0], *(e.id for e in finder.find(picture(START + 7 * PERIOD)))}) == 3


def test_depth_alone_is_labelled_where_colour_had_its_boxes(finder: DetectionFinder) -> None:
    finder.take(message(START, MUG))
    (both,) = finder.find(picture(START))
    (alone,) = finder.find(picture(START + PERIOD, DEPTH))
    assert alone.box == both.box, "the detector's pixels are colour's, and depth has fewer"


def test_a_bag_that_loops_begins_again(finder: DetectionFinder) -> None:
    finder.take(message(START + 10 * NS, MUG, BOWL))
    finder.take(message(START, MUG))
    assert len(finder.find(picture(START))) == 1
    with pytest.raises(ImageError):
        finder.find(picture(START + 10 * NS))


def test_of_detections_of_the_same_stamp_the_last_count(finder: DetectionFinder) -> None:
    finder.take(message(START, MUG))
    finder.take(message(START, MUG, BOWL))
    assert len(finder.find(picture(START))) == 2


def test_detections_without_a_stamp_are_as_old_as_their_arrival(finder: DetectionFinder) -> None:
    finder.take(message(0, MUG))
    assert len(finder.find(picture(START))) == 1


def test_a_box_that_is_turned_is_bounded_one_beyond_the_picture_cut_and_nonsense_left_out(
    finder: DetectionFinder,
) -> None:
    finder.take(
        message(
            START,
            (160, 120, 40, 20, math.pi / 2),
            (0, 0, 40, 20),
            (500, 120, 40, 20),
            (math.nan, 120, 40, 20),
            (160, 120, math.inf, 20),
            (160, 120, -40, 20),
            (160, 120, 0, 0),
        )
    )
    boxes = [each.box for each in finder.find(picture(START))]
    assert boxes == [
        pytest.approx(Box(150 / WIDTH, 100 / HEIGHT, 20 / WIDTH, 40 / HEIGHT)),
        pytest.approx(Box(0, 0, 20 / WIDTH, 10 / HEIGHT)),
    ]


@given(st.lists(st.tuples(*[st.floats()] * 5), max_size=4))
def test_whatever_the_numbers_are_objects_lie_in_the_picture(
    boxes: list[tuple[float, ...]],
) -> None:
    finder = DetectionFinder(AGE, SLOP, lambda: START)
    finder.take(message(START, *boxes))
    for each in finder.find(picture(START)):
        for box in (each.box, each.view):
            assert 0 <= box.left <= box.right <= 1 + 1e-9
            assert 0 <= box.top <= box.bottom <= 1 + 1e-9
            assert box.area > 0


def test_a_detector_gone_mad_does_not_stop_the_labels(finder: DetectionFinder) -> None:
    random = np.random.default_rng(0)
    for number in range(2):
        boxes = random.uniform(1, 300, (5_000, 4)).tolist()
        finder.take(message(START + number * PERIOD, *map(tuple, boxes)))
        began = time.process_time()
        found = finder.find(picture(START + number * PERIOD))
        assert time.process_time() - began < 2
        assert len(found) == TabletopSettings().max_objects
