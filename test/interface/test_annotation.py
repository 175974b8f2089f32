# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mm_perception.interface.annotation import annotate
from mm_perception.objects.boxes import Box
from mm_perception.objects.finding import LabelledObject, SceneObject
from mm_perception.observation import Frame, Modality, Prediction
from mm_perception.regions import RegionSettings

GREEN, ORANGE = (60, 200, 60), (255, 150, 30)
REGION = RegionSettings(kind='centre', fraction=0.5)


def colour(width: int = 640, height: int = 480) -> Frame:
    image = np.full((height, width, 3), 90, np.uint8)
    image.flags.writeable = False  # as the view of a message is
    return Frame(Modality.RGB, 1, 'camera', image)


def depth(width: int = 640, height: int = 480) -> Frame:
    image = np.tile(np.linspace(1, 3, width, dtype=np.float32), (height, 1))
    image[:, : width // 10] = np.nan
    return Frame(Modality.DEPTH, 1, 'camera', image)


def said(mode: str, sure: float = 0.8) -> Prediction:
    scores = {'mug': sure, 'bowl': 1 - sure, 'cap': 0.0}
    return Prediction(1, mode, 'mug', scores)


def pixels_of(picture: NDArray[np.uint8], what: tuple[int, int, int]) -> int:
    return int((picture == np.array(what, np.uint8)).all(axis=-1).sum())


def test_the_image_seen_is_not_drawn_on() -> None:
    frame = colour()
    picture = annotate([frame], REGION, said('rgbd'))
    assert picture.shape == frame.image.shape
    assert picture.dtype == np.uint8
    assert (frame.image == 90).all()
    assert (picture != 90).any()


@pytest.mark.parametrize(
    ('mode', 'drawn', 'other'), [('rgbd', GREEN, ORANGE), ('rgb', ORANGE, GREEN)]
)
def test_a_missing_sensor_is_seen_by_the_colour(
    mode: str, drawn: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    picture = annotate([colour()], REGION, said(mode))
    assert pixels_of(picture, drawn) > 500
    assert pixels_of(picture, other) == 0


def test_the_region_is_framed_where_the_classifier_looked() -> None:
    picture = annotate([colour()], REGION, said('rgbd'))
    # Half of the shorter side, 240 pixels, about the centre (320, 240).
    for x, y in ((200, 240), (439, 240), (320, 120), (320, 359)):
        assert tuple(picture[y, x]) == GREEN
    assert tuple(picture[240, 320]) == (90, 90, 90)


def test_a_bar_is_as_long_as_its_class_is_likely() -> None:
    # One row through the middle of the first bar, which stands under the headline.
    lengths = []
    for sure in (0.5, 1.0):
        picture = annotate([colour()], REGION, said('rgbd', sure))
        bar = picture[46, 8 : 8 + 160]
        lengths.append(int((bar == np.array(GREEN, np.uint8)).all(axis=-1).sum()))
    assert lengths[0] == pytest.approx(80, abs=30)  # the class's name is written over it
    assert lengths[1] == pytest.approx(160, abs=30)
    assert lengths[1] - lengths[0] == pytest.approx(80, abs=10)


def test_colour_is_shown_where_there_is_colour_and_depth_as_grey_where_not() -> None:
    both = annotate([depth(), colour()], REGION, said('rgbd'))
    assert tuple(both[470, 630]) == (90, 90, 90)
    alone = annotate([depth()], REGION, said('depth'))
    assert tuple(alone[470, 5]) == (0, 0, 0)  # unknown
    near, far = alone[470, 100], alone[470, 630]
    assert near[0] == near[1] == near[2]
    assert near[0] > far[0] > 0


def test_depth_without_a_valid_pixel_is_black_and_not_an_error() -> None:
    nothing = Frame(Modality.DEPTH, 1, 'camera', np.full((48, 64), np.nan, np.float32))
    picture = annotate([nothing], REGION, said('depth'))
    assert tuple(picture[47, 63]) == (0, 0, 0)


@pytest.mark.parametrize('size', [(1920, 1080), (160, 120), (32, 24)])
def test_any_size_of_image_is_drawn_on(size: tuple[int, int]) -> None:
    picture = annotate([colour(*size)], REGION, said('rgb'))
    assert picture.shape == (size[1], size[0], 3)
    assert pixels_of(picture, ORANGE) > 0


def test_only_the_likeliest_of_many_classes_are_shown() -> None:
    many = Prediction(1, 'rgb', 'c0', {f'c{i}': 1 / 51 for i in range(51)})
    picture = annotate([colour()], REGION, many)
    assert (picture[200:, :150] == 90).all()  # five bars end well above


def seen(number: int, left: float, mode: str) -> LabelledObject:
    box = Box(left, 0.5, 0.2, 0.2)
    return LabelledObject(SceneObject(number, box, box.widened(0.1), carried=False), said(mode))


def test_every_object_is_framed_in_the_colour_of_its_own_mode() -> None:
    objects = [seen(1, 0.1, 'rgbd'), seen(2, 0.6, 'rgb')]
    picture = annotate([colour()], REGION, said('rgbd'), objects)
    assert tuple(picture[300, 64]) == GREEN
    assert tuple(picture[300, 384]) == ORANGE
    assert tuple(picture[240, 200]) == (90, 90, 90)  # no square in the middle


def test_objects_that_reach_beyond_the_picture_are_drawn_and_nothing_is_where_none_are() -> None:
    annotate([colour()], REGION, said('rgbd'), [seen(1, 0.95, 'rgbd'), seen(2, -0.1, 'rgbd')])
    assert (annotate([colour()], REGION, None, []) == 90).all()


def test_the_outline_of_a_text_lies_around_its_letters_and_nowhere_else() -> None:
    drawn = annotate([colour()], REGION, said('rgb')).astype(int)
    headline = drawn[4:38, 4:600]  # the bars begin below
    black = (headline < 40).all(axis=2)
    ink = (headline[..., 0] > 150) & (headline[..., 2] < 80)  # orange
    assert min(ink.sum(), black.sum()) > 200
    near_ink = cv2.dilate(ink.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert near_ink[black].all()
