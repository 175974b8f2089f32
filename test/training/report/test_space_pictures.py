# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.evaluation.shared_space import SharedSpace
from training.report.space_pictures import MOST, _middle, by_class_picture, by_mode_picture
from training.report.style import COLOURS, MARKERS

MODES = ('rgbd', 'rgb', 'depth')


def space(frames: int, modes: tuple[str, ...] = MODES) -> SharedSpace:
    rng = np.random.default_rng(0)
    return SharedSpace({mode: rng.normal(size=(frames, 2)) for mode in modes}, (0.5, 0.25))


def pixels(png: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1].astype(np.uint8)


def test_fifty_one_classes_have_looks_of_their_own() -> None:
    assert len(COLOURS) * len(MARKERS) >= 51
    truth = np.arange(51).repeat(2)
    few = pixels(by_class_picture(space(102), truth % 9, [f'class {i}' for i in range(9)]))
    many = pixels(by_class_picture(space(102), truth, [f'class {i}' for i in range(51)]))
    assert many.shape[1] > few.shape[1]  # a legend of three columns
    assert many.shape[0] == few.shape[0]


def test_a_map_of_many_frames_is_no_larger_than_one_of_as_many_as_are_drawn() -> None:
    many = by_mode_picture(space(20 * MOST))
    assert len(many) < 1.3 * len(by_mode_picture(space(MOST)))


def test_the_same_frames_give_the_same_bytes() -> None:
    truth = np.arange(30) % 3
    pictures = [by_class_picture(space(30), truth, ['a', 'b', '$c$']) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert pictures[0] != by_class_picture(space(30), truth, ['a', 'b', 'c'])


def test_a_class_in_two_parts_is_named_at_one_of_them() -> None:
    parts = np.array([[-5.0, 0.0], [-5.1, 0.1], [5.0, 0.0], [5.1, 0.1]])
    assert _middle(parts) in {tuple(spot) for spot in parts.tolist()}
