# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from mm_perception.observation import Modality
from mm_perception.preprocessing import PreprocessingSettings, depth_input
from training.features.augmentation import Augmentation

RGB, DEPTH = Modality.RGB, Modality.DEPTH
AS_IT_IS = Augmentation(0, 0, 1, 1, turned=False, light=1)


@given(st.integers(0, 2**32), st.integers(8, 60), st.integers(8, 60))
def test_colour_and_depth_show_the_same_part_of_the_object(
    seed: int, height: int, width: int
) -> None:
    torch.manual_seed(seed)
    drawn = Augmentation.draw()
    place = np.arange(height * width).reshape(height, width)
    depth = (1 + place / 1e4).astype(np.float32)
    rgb = np.stack([place // width, place % width, place * 0], -1).astype(np.uint8)
    dark = Augmentation(drawn.left, drawn.top, drawn.width, drawn.height, drawn.turned, 1)
    changed = dark({RGB: rgb, DEPTH: depth})
    down, across = (changed[RGB][..., channel].astype(int) for channel in (0, 1))
    assert_array_equal(changed[DEPTH], depth[down, across])  # and distances are as they were
    assert 0.5 * depth.size * 0.9 <= changed[DEPTH].size <= depth.size or min(height, width) < 16


def test_holes_stay_holes() -> None:
    depth = np.full((20, 20), np.nan, np.float32)
    depth[5:15, 5:15] = 0.7
    (changed,) = Augmentation(0.5, 0.5, 0.8, 0.8, turned=True, light=1.2)({DEPTH: depth}).values()
    assert set(np.unique(changed[~np.isnan(changed)])) == {np.float32(0.7)}
    assert np.isnan(changed).any()


def test_normals_of_a_turned_picture_look_to_the_other_side() -> None:
    across = np.linspace(0.8, 1.2, 40, dtype=np.float32)
    depth = np.broadcast_to(across, (40, 40)).copy()
    settings = PreprocessingSettings(size=40, depth_encoding='normals')
    turned = Augmentation(0, 0, 1, 1, turned=True, light=1)({DEPTH: depth})[DEPTH]
    plain, other = (depth_input(each, settings).astype(int) for each in (depth, turned))
    assert_allclose(other[:, ::-1, 0], 255 - plain[..., 0], atol=1)
    assert_allclose(other[:, ::-1, 1:], plain[..., 1:], atol=1)


def test_light_changes_colour_alone_and_stays_in_range() -> None:
    views = {RGB: np.full((9, 9, 3), 220, np.uint8), DEPTH: np.full((9, 9), 2, np.float32)}
    brighter = Augmentation(0, 0, 1, 1, turned=False, light=1.25)(views)
    assert (brighter[RGB] == 255).all()
    assert_array_equal(brighter[DEPTH], views[DEPTH])


def test_nothing_is_written_to_what_was_given() -> None:
    depth = np.ones((12, 12), np.float32)
    rgb = np.full((12, 12, 3), 100, np.uint8)
    changed = AS_IT_IS({RGB: rgb, DEPTH: depth})
    changed[DEPTH][:] = 9
    changed[RGB][:] = 9
    assert (depth == 1).all()
    assert (rgb == 100).all()


def test_same_random_state_draws_the_same() -> None:
    torch.manual_seed(3)
    first = Augmentation.draw()
    torch.manual_seed(3)
    assert Augmentation.draw() == first
    assert Augmentation.draw() != first


def test_paint_changes_the_hue_of_colour_alone() -> None:
    views = {RGB: np.full((9, 9, 3), (200, 20, 20), np.uint8), DEPTH: np.ones((9, 9), np.float32)}
    green, grey = (
        Augmentation(0, 0, 1, 1, turned=False, light=1, hue=hue, saturation=saturation)(views)
        for hue, saturation in ((1 / 3, 1), (0, 0))
    )
    assert_allclose(green[RGB], np.full((9, 9, 3), (20, 200, 20)), atol=2)
    assert_allclose(grey[RGB], 200, atol=1)
    assert_array_equal(green[DEPTH], views[DEPTH])


@given(st.integers(0, 2**32))
def test_paint_leaves_what_is_seen_of_the_object(seed: int) -> None:
    torch.manual_seed(seed)
    drawn = Augmentation.draw()
    painted = drawn.painted()
    assert replace(painted, hue=drawn.hue, saturation=drawn.saturation) == drawn
    assert 0 <= painted.hue < 1
    assert painted.saturation == 0 or 0.4 <= painted.saturation <= 1.6
