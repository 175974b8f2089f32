# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from mm_perception.depth.normals import surface_normals
from mm_perception.errors import ImageError
from mm_perception.preprocessing import PreprocessingSettings, depth_input
from training.recordings.washington import find_crops

F = 570.3
NORMALS = PreprocessingSettings(size=32, depth_encoding='normals')
SLOPES = st.floats(-1.5, 1.5, width=32)
DISTANCES = st.floats(0.5, 6, width=32)


def plane(across: float, down: float, distance: float, height: int, width: int) -> np.ndarray:
    """See the plane z = distance + across·x + down·y through a pinhole at the image's middle."""
    u = (np.arange(width) - (width - 1) / 2) / F
    v = (np.arange(height)[:, None] - (height - 1) / 2) / F
    return np.asarray(distance / (1 - across * u - down * v), np.float32)


def normal(across: float, down: float) -> np.ndarray:
    """Of that plane, towards the camera."""
    n = np.array([across, down, -1.0])
    return n / np.linalg.norm(n)


@settings(max_examples=40)
@given(SLOPES, SLOPES, DISTANCES, st.integers(2, 40), st.integers(2, 40))
def test_a_plane_has_one_normal_up_to_its_border(
    across: float, down: float, distance: float, height: int, width: int
) -> None:
    depth = plane(across, down, distance, height, width)
    normals, known = surface_normals(depth, np.ones(depth.shape, bool), F)
    assert known.all()
    expected = np.broadcast_to(normal(across, down), normals.shape)
    # float32's own precision of the distances, as a slope from one pixel to the next.
    assert_allclose(normals, expected, atol=4 * F * np.finfo(np.float32).eps * 10)


@settings(max_examples=40)
@given(arrays(np.bool_, (12, 15)), SLOPES, SLOPES)
def test_holes_change_no_normal_and_what_is_in_them_is_never_looked_at(
    valid: np.ndarray, across: float, down: float
) -> None:
    depth = plane(across, down, 1, *valid.shape)
    spoilt = np.where(valid, depth, np.float32(np.nan))
    normals, known = surface_normals(spoilt, valid, F)
    assert np.isfinite(normals).all()
    # Three pixels side by side make a steeper error of the distances' rounding than 49 do.
    assert_allclose(normals[known], np.broadcast_to(normal(across, down), normals.shape)[known],
                    atol=0.02)  # fmt: skip


def test_a_line_of_pixels_has_no_normal() -> None:
    valid = np.zeros((9, 9), bool)
    valid[4] = True
    _, known = surface_normals(np.ones((9, 9), np.float32), valid, F)
    assert not known.any()


def test_a_distance_changes_no_normal() -> None:
    near, far = (plane(0.3, -0.2, distance, 20, 20) for distance in (0.6, 4))
    assert_allclose(depth_input(near, NORMALS).astype(int), depth_input(far, NORMALS), atol=1)


def test_colours_tell_where_a_surface_looks() -> None:
    facing = depth_input(np.ones((20, 20), np.float32), NORMALS)
    assert_array_equal(np.unique(facing.reshape(-1, 3), axis=0), [[128, 128, 255]])
    right = depth_input(plane(1, 0, 1, 20, 20), NORMALS)
    diagonal = np.rint(127.5 * (1 + np.sqrt(0.5)))
    assert_allclose(right.astype(float), np.broadcast_to([diagonal, 128, diagonal], right.shape),
                    atol=1)  # fmt: skip
    down = depth_input(plane(0, 1, 1, 20, 20), NORMALS)
    assert_allclose(down[..., [1, 0, 2]].astype(int), right, atol=1)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 24), st.integers(1, 24)),
        elements=st.sampled_from([np.nan, 0.0, -1.0, np.inf, 0.4, 0.5, 3.0, 8.0]),
    )
)
def test_any_depth_gives_an_input_without_a_warning_or_is_refused(depth: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        if ((depth > 0) & (depth < np.inf)).any():
            assert depth_input(depth, NORMALS).shape == (32, 32, 3)
        else:
            with pytest.raises(ImageError, match='has not one valid distance'):
                depth_input(depth, NORMALS)


def test_a_large_crop_shows_the_same_surface_as_a_small_one() -> None:
    whole = depth_input(plane(0.5, -0.3, 1, 97, 64), NORMALS).astype(int)
    expected = np.rint(127.5 * (1 + normal(0.5, -0.3) * [1, 1, -1]))
    assert_allclose(whole, np.broadcast_to(expected, whole.shape), atol=2)


def test_one_lonely_distance_looks_into_the_camera() -> None:
    depth = np.full((20, 20), np.nan, np.float32)
    depth[3, 4] = 1
    assert_array_equal(depth_input(depth, NORMALS), np.broadcast_to([128, 128, 255], (32, 32, 3)))


def test_a_hole_takes_the_nearest_surface() -> None:
    depth = plane(1, 0, 1, 30, 30)
    depth[:, 15:] = np.nan
    whole = depth_input(plane(1, 0, 1, 30, 30), NORMALS)
    assert_allclose(depth_input(depth, NORMALS).astype(int), whole, atol=1)


def test_a_real_apple_is_round(shared_data: Path) -> None:
    crop = next(c for c in find_crops(shared_data / 'uw_rgbd') if c.instance == 'apple_1')
    picture = depth_input(
        crop.observation().frames['depth'].image,  # type: ignore[index]
        PreprocessingSettings(depth_encoding='normals'),
    ).astype(int)
    middle = picture[49:99]
    # The left half looks left, the right one right, and the upper one up.
    assert middle[:, 40:60, 0].mean() + 40 < middle[:, 88:108, 0].mean()
    assert picture[40:60, 49:99, 1].mean() + 20 < picture[88:108, 49:99, 1].mean()
