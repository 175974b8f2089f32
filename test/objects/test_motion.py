# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_perception.objects.boxes import Box
from mm_perception.objects.motion import grey_of, shifts

BOX = Box(0.3, 0.3, 0.4, 0.4)
TEXTURE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (340, 440), dtype=np.uint8), (0, 0), 2
)


def view(across: int, down: int) -> np.ndarray:
    return np.ascontiguousarray(TEXTURE[50 - down : 290 - down, 60 - across : 380 - across])


@settings(max_examples=25)
@given(st.integers(-20, 20), st.integers(-20, 20))
def test_box_moves_as_its_content_does(across: int, down: int) -> None:
    (way,) = shifts(view(0, 0), view(across, down), [BOX])
    assert way is not None
    assert np.array(way) * (320, 240) == pytest.approx((across, down), abs=0.5)


def test_boxes_move_each_by_itself() -> None:
    before, after = view(0, 0), view(0, 0).copy()
    after[:, 160:] = view(6, 0)[:, 160:]
    still, moved = shifts(before, after, [Box(0.05, 0.2, 0.3, 0.5), Box(0.65, 0.2, 0.3, 0.5)])
    assert still is not None
    assert moved is not None
    assert still[0] * 320 == pytest.approx(0, abs=0.3)
    assert moved[0] * 320 == pytest.approx(6, abs=0.3)


@pytest.mark.parametrize(
    'box', [Box(0, 0, 0, 0), Box(2, 2, 1, 1), Box(-3, 0.2, 1, 1), Box(0.5, 0.5, 1e-3, 1e-3)]
)
def test_box_that_holds_nothing_has_no_motion(box: Box) -> None:
    assert shifts(view(0, 0), view(1, 0), [box, BOX])[0] is None
    assert shifts(view(0, 0), view(1, 0), [box]) == [None]
    assert shifts(view(0, 0), view(1, 0), []) == []


@pytest.mark.parametrize('size', [(480, 640), (1080, 1920), (120, 160), (1, 1)])
def test_any_picture_becomes_a_small_grey_one(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    for seen in (image, image[:, :, ::-1], np.broadcast_to(image[..., :1], image.shape)):
        grey = grey_of(seen)
        assert grey.shape[0] == min(size[0], 240)
        assert grey.shape[1] / grey.shape[0] == pytest.approx(size[1] / size[0], rel=0.02)
        assert grey.dtype == np.uint8
