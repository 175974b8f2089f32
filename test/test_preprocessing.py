# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's numbers, on arrays small enough to be worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import ValidationError

from mm_perception.errors import ImageError
from mm_perception.preprocessing import (
    PreprocessingSettings,
    depth_input,
    depth_levels,
    fill_holes,
    fit_square,
    jet,
    rgb_input,
)

if TYPE_CHECKING:
    from pathlib import Path

N = np.nan
NEAR, MIDDLE, FAR = [128, 0, 0], [130, 255, 126], [0, 0, 128]


def metres(rows: list[list[float]]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_the_papers_size_is_the_default() -> None:
    settings = PreprocessingSettings()
    assert (settings.size, settings.depth_range) == (148, None)


def test_wide_image_repeats_its_top_and_bottom_rows() -> None:
    image = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.uint8)
    expected = [[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8], [5, 6, 7, 8]]
    assert_array_equal(fit_square(image, 4), expected)


def test_tall_image_repeats_its_left_and_right_columns() -> None:
    image = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.uint8)
    expected = [[1, 1, 2, 2], [3, 3, 4, 4], [5, 5, 6, 6], [7, 7, 8, 8]]
    assert_array_equal(fit_square(image, 4), expected)


def test_odd_pixel_of_the_border_goes_right() -> None:
    image = np.array([[1, 2], [3, 4], [5, 6]], np.uint8)
    assert_array_equal(fit_square(image, 3), [[1, 2, 2], [3, 4, 4], [5, 6, 6]])


def test_shrinking_averages() -> None:
    image = np.array([[0, 0, 0, 60, 10, 20], [0, 0, 0, 30, 0, 0], [0, 9, 0, 0, 0, 60]], np.uint8)
    # Two blocks of 3 x 3, their means 1 and 20, in one row that is repeated below.
    assert_array_equal(fit_square(image, 2), [[1, 20], [1, 20]])


def test_enlarging_interpolates() -> None:
    # Pixel centres of the large image lie at -1/4, 1/4, 3/4, 5/4 of the small one's.
    image = np.array([[0, 100], [0, 100]], np.float32)
    assert_array_equal(fit_square(image, 4), [[0, 25, 75, 100]] * 4)


@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    channels=st.sampled_from([(), (3,)]),
    size=st.integers(1, 60),
)
def test_every_shape_becomes_the_square(
    shape: tuple[int, int], channels: tuple[int, ...], size: int
) -> None:
    image = np.full((*shape, *channels), 77, np.uint8)
    square = fit_square(image, size)
    assert square.shape == (size, size, *channels)
    assert (square == 77).all()


def test_hole_gets_the_nearest_distance() -> None:
    depth = metres(
        [
            [1, N, N, N, 2],
            [N, N, 3, N, N],
            [0, N, np.inf, -1, 4],
        ]
    )
    # (0,1) is 1 from the 1; (0,3) 1 from the 2; (1,0) 1 from the 1; (1,1) and (1,3) 1 from the 3;
    # (0,2) and (2,2) 1 from the 3; (2,0) 2 from the 1; (2,1) sqrt 2 from the 3; (2,3) 1 from the 4.
    # (1,4) is 1 from the 2 as well as from the 4.
    filled = fill_holes(depth)
    assert filled[1, 4] in {2, 4}
    filled[1, 4] = N
    assert_array_equal(filled, metres([[1, 1, 3, 2, 2], [1, 3, 3, 3, N], [1, 3, 3, 4, 4]]))


def test_depth_without_holes_is_not_copied() -> None:
    depth = metres([[1, 2], [3, 4]])
    assert fill_holes(depth) is depth


def test_message_with_holes_is_not_written_to() -> None:
    depth = metres([[1, N]])
    depth.flags.writeable = False
    assert_array_equal(fill_holes(depth), [[1, 1]])
    assert np.isnan(depth[0, 1])


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=24), fill=st.nothing()))
def test_filled_from_a_pixel_no_farther_than_the_chamfer_error(valid: np.ndarray) -> None:
    valid[0, 0] = True
    # Each distance is its pixel's number, so that the result says which pixel was taken.
    depth = np.arange(1, valid.size + 1, dtype=np.float32).reshape(valid.shape)
    source = fill_holes(np.where(valid, depth, np.float32(N))).astype(int) - 1
    taken = np.stack(np.unravel_index(source, valid.shape), -1)
    here = np.stack(np.indices(valid.shape), -1)
    distance = np.linalg.norm(taken - here, axis=-1)
    every = np.linalg.norm(here[:, :, None] - np.argwhere(valid), axis=-1)
    # 2 % too short for one pixel and 2 % too long for another make 4 % between the two.
    assert (distance <= 1.04 * every.min(axis=-1)).all()


def test_depth_without_any_distance_is_refused_with_its_size() -> None:
    with pytest.raises(ImageError, match='depth crop of 3x2 pixels has not one valid distance'):
        depth_input(np.full((2, 3), N, np.float32), PreprocessingSettings())


def test_distances_are_scaled_from_255_at_the_nearest_to_0_at_the_farthest() -> None:
    # 1 to 5 m: 2 m is a quarter of the way, 3 m half.
    levels = depth_levels(metres([[1, 2], [3, 5]]))
    assert_allclose(levels, [[255, 191.25], [127.5, 0]], rtol=1e-6)  # float32's own precision


def test_fixed_range_gives_a_distance_the_same_level_in_any_crop() -> None:
    levels = depth_levels(metres([[0.5, 1], [2, 9]]), depth_range=(1, 3))
    assert_allclose(levels, [[255, 255], [127.5, 0]], rtol=1e-6)  # float32's own precision


def test_flat_depth_is_all_near() -> None:
    assert_array_equal(depth_levels(metres([[2, 2]])), [[255, 255]])


def test_near_is_red_and_far_is_blue() -> None:
    levels = np.array([[255, 128, 0]], np.uint8)
    assert_array_equal(jet(levels), [[NEAR, MIDDLE, FAR]])


def test_jet_is_opencvs() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert_array_equal(jet(levels)[:, :, ::-1], cv2.applyColorMap(levels, cv2.COLORMAP_JET))


def test_depth_becomes_the_networks_input() -> None:
    # 32 x 16 pixels: 1 m left and 3 m right, in between a hole that the two halves share.
    depth = np.full((16, 32), N, np.float32)
    depth[:, :10], depth[:, 22:] = 1, 3
    image = depth_input(depth, PreprocessingSettings(size=32))
    expected = np.empty((32, 32, 3), np.uint8)
    expected[:, :16], expected[:, 16:] = NEAR, FAR
    assert_array_equal(image, expected)


def test_holes_never_blend_into_the_scaled_depth() -> None:
    rng = np.random.default_rng(0)
    depth = np.full((200, 200), 1, np.float32)
    depth[:, 100:] = 2
    full = depth_input(depth, PreprocessingSettings())
    depth[rng.random(depth.shape) < 0.3] = N
    depth[:, 98:102] = [1, 1, 2, 2]
    assert_array_equal(depth_input(depth, PreprocessingSettings()), full)


@given(
    depth=arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.floats(0, 10, width=32) | st.just(N),
    ),
    depth_range=st.none() | st.just((0.5, 4.0)),
)
def test_any_depth_with_a_distance_becomes_an_input(
    depth: np.ndarray, depth_range: tuple[float, float] | None
) -> None:
    depth[0, 0] = 1
    image = depth_input(depth, PreprocessingSettings(size=32, depth_range=depth_range))
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize('size', [32, 148, 300])
def test_reversed_view_of_bgr8_gives_the_same_input_as_rgb8(size: int) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (120, 180, 3), np.uint8)
    view = np.ascontiguousarray(rgb[:, :, ::-1])[:, :, ::-1]
    view.flags.writeable = False
    settings = PreprocessingSettings(size=size)
    image = rgb_input(view, settings)
    assert_array_equal(image, rgb_input(rgb, settings))
    assert image.shape == (size, size, 3)
    assert image.flags.c_contiguous


def test_colours_keep_their_order() -> None:
    crop = np.broadcast_to(np.array([10, 20, 30], np.uint8), (50, 20, 3))
    assert (rgb_input(crop, PreprocessingSettings()) == [10, 20, 30]).all()


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'size': 31}, 'greater than or equal to 32'),
        ({'size': 2000}, 'less than or equal to 1024'),
        ({'depth_range': (3, 1)}, r'\[3.0, 1.0\] is not \[near, far\] in metres'),
        ({'depth_range': (0, float('inf'))}, 'finite number'),
        ({'colour': 'jet'}, 'Extra inputs'),
    ],
)
def test_wrong_setting_is_refused_saying_what_is_allowed(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        PreprocessingSettings(**settings)


def test_settings_survive_the_manifest() -> None:
    settings = PreprocessingSettings(size=96, depth_range=(0.4, 2.5))
    assert PreprocessingSettings.model_validate(settings.model_dump(mode='json')) == settings


@pytest.mark.parametrize('name', ['apple_1/apple_1_1_101', 'apple_4/apple_4_1_101'])
def test_real_object_is_redder_than_what_is_behind_it(shared_data: Path, name: str) -> None:
    stem = shared_data / 'uw_rgbd' / 'apple' / name
    depth = cv2.imread(f'{stem}_depthcrop.png', cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
    mask = cv2.imread(f'{stem}_maskcrop.png', cv2.IMREAD_UNCHANGED)
    assert (depth == 0).any(), 'this crop should show holes being filled'
    settings = PreprocessingSettings()
    image = depth_input(depth, settings).astype(int)
    inside = fit_square(mask, settings.size) > 127
    redness = image[:, :, 0] - image[:, :, 2]
    assert redness[inside].mean() > redness[~inside].mean()


@pytest.mark.parametrize(('near', 'far'), [(1e-45, 3e-45), (1.0, 1.0000001), (1e-3, 3e38)])
def test_any_distances_become_levels_that_are_numbers(near: float, far: float) -> None:
    with np.errstate(all='raise', under='ignore'):
        levels = depth_levels(metres([[near, far]]))
    assert levels[0, 0] == 255
    assert 0 <= levels[0, 1] <= 255
