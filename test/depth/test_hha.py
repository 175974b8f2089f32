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
from pydantic import ValidationError

from mm_perception.depth.hha import estimated_gravity, hha
from mm_perception.errors import ImageError
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.pipeline import PipelineSettings, prepare
from mm_perception.preprocessing import PreprocessingSettings, depth_input
from training.recordings.washington import find_crops

F = 570.3
HHA = PreprocessingSettings(size=32, depth_encoding='hha')
SLOPES = st.floats(-1.25, 1.25, width=32)
DISTANCES = st.floats(0.5, 6, width=32)


def plane(across: float, down: float, distance: float, height: int, width: int) -> np.ndarray:
    """See the plane z = distance + across·x + down·y through a pinhole at the image's middle."""
    u = (np.arange(width) - (width - 1) / 2) / F
    v = (np.arange(height)[:, None] - (height - 1) / 2) / F
    return np.asarray(distance / (1 - across * u - down * v), np.float32)


def valid(depth: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(depth))


def points(depth: np.ndarray) -> np.ndarray:
    height, width = depth.shape
    u = (np.arange(width) - (width - 1) / 2) / F
    v = (np.arange(height)[:, None] - (height - 1) / 2) / F
    return np.stack([u * depth, v * depth, depth], axis=-1)


def direction(angles: tuple[float, float]) -> np.ndarray:
    """Down, as a camera sees it that is pitched and rolled by so much."""
    pitch, roll = angles
    return np.array([np.sin(roll), np.cos(roll) * np.cos(pitch), np.cos(roll) * np.sin(pitch)])


TILTS = st.tuples(st.floats(-1, 1), st.floats(-1, 1))


@settings(max_examples=40)
@given(SLOPES, SLOPES, DISTANCES, TILTS)
def test_a_plane_has_one_angle_with_gravity_and_rises_against_it(
    across: float, slope: float, distance: float, tilt: tuple[float, float]
) -> None:
    depth, down = plane(across, slope, distance, 24, 31), direction(tilt)
    found = hha(depth, valid(depth), F, tuple(3 * down))
    normal = np.array([across, slope, -1]) / np.linalg.norm([across, slope, -1])
    assert found.known.all()
    assert_allclose(found.angle, np.full((24, 31), np.arccos(normal @ down)), atol=0.02)
    expected = -(points(depth) @ down)
    assert_allclose(found.height, expected - expected.min(), atol=1e-5 * distance)
    assert_allclose(found.disparity, 1 / depth, rtol=1e-6)


@settings(max_examples=40)
@given(st.floats(-0.7, 0.7), st.floats(0, np.pi))
def test_a_table_and_what_stands_on_it_tell_where_down_is(pitch: float, turn: float) -> None:
    down, right = direction((pitch, 0)), np.array([1, 0, 0])
    forward = np.cross(right, down)
    sides = [np.cos(a) * forward + np.sin(a) * right for a in (turn, turn + np.pi / 2)]
    normals = np.repeat([-down, *sides], [60, 30, 10], axis=0).astype(np.float32)
    assert_allclose(estimated_gravity(normals), down, atol=1e-3)


@given(arrays(np.float64, (40, 3), elements=st.floats(-1, 1)))
def test_any_surfaces_have_one_direction_that_is_down(directions: np.ndarray) -> None:
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    normals = (directions / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    found = estimated_gravity(normals)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert found[1] >= 0
    assert_array_equal(found, estimated_gravity(normals))


@pytest.mark.parametrize('normals', [np.empty((0, 3)), np.tile([0, 0, -1], (50, 1))])
def test_down_is_the_pictures_where_nothing_tells(normals: np.ndarray) -> None:
    assert_allclose(estimated_gravity(normals.astype(np.float32)), [0, 1, 0], atol=1e-9)


def test_channels_are_near_high_and_up() -> None:
    given_down = HHA.model_copy(update={'gravity': (0, 1, 0)})
    table = depth_input(plane(0, -1, 1, 32, 32), given_down)  # rises away from the camera
    assert (np.diff(table[..., 0].astype(int), axis=0) >= 0).all()  # the lower, the nearer
    assert (np.diff(table[..., 1].astype(int), axis=0) <= 0).all()
    assert (table[0, :, 1] == 255).all()
    assert (table[-1, :, 1] == 0).all()
    assert_allclose(table[..., 2].astype(int), 255 * 0.75, atol=2)  # half up, half to us
    ceiling = depth_input(plane(0, 1, 1, 32, 32), given_down)
    assert_allclose(ceiling[..., 2].astype(int), 255 * 0.25, atol=2)


@settings(max_examples=30)
@given(arrays(np.bool_, (14, 17)), SLOPES, SLOPES)
def test_holes_change_nothing_beside_them_and_are_never_looked_at(
    seen: np.ndarray, across: float, slope: float
) -> None:
    seen[[0, 0, -1], [0, -1, 0]] = True
    depth = plane(across, slope, 1, *seen.shape)
    spoilt = np.where(seen, depth, np.float32(np.nan))
    down = (0.1, 1, 0.2)
    whole, holed = hha(depth, valid(depth), F, down), hha(spoilt, seen, F, down)
    assert all(np.isfinite(channel).all() for channel in holed)
    assert_allclose(holed.disparity[seen], whole.disparity[seen])
    moved = holed.height[seen] - whole.height[seen]  # the lowest point may be in a hole
    assert_allclose(moved, np.full(moved.shape, moved[0]), atol=1e-6)
    assert_allclose(holed.angle[holed.known], whole.angle[holed.known], atol=0.03)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
        elements=st.sampled_from([np.nan, 0.0, -1.0, np.inf, 1e-42, 0.4, 0.5, 3.0, 8.0]),
    )
)
def test_any_depth_gives_an_input_without_a_warning_or_is_refused(depth: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        if ((depth > 0) & (depth < np.inf)).any():
            assert depth_input(depth, HHA).shape == (32, 32, 3)
        else:
            with pytest.raises(ImageError, match='has not one valid distance'):
                depth_input(depth, HHA)


def test_nothing_outside_of_the_crop_counts() -> None:
    random = np.random.default_rng(0)
    path = PipelineSettings.model_validate(
        {'region': {'kind': 'centre'}, 'preprocessing': HHA, 'backbones': {'depth': {}}}
    )

    def seen(image: np.ndarray) -> np.ndarray:
        frame = Frame(Modality.DEPTH, 0, 'camera', image)
        return prepare(Observation(0, {Modality.DEPTH: frame}), path)[Modality.DEPTH]

    image = random.uniform(0.5, 2, (120, 160)).astype(np.float32)
    other = random.uniform(0.5, 2, image.shape).astype(np.float32)
    other[random.random(image.shape) < 0.5] = np.nan
    other[30:90, 50:110] = image[30:90, 50:110]
    assert_array_equal(seen(image), seen(other))
    other[30, 50] += 1
    assert (seen(image) != seen(other)).any()


@pytest.mark.parametrize(
    ('change', 'cause'),
    [
        ({'gravity': [0, 0, 0]}, r'gravity \[0.0, 0.0, 0.0\] points nowhere'),
        ({'gravity': [0, 1]}, 'gravity'),
        ({'gravity': [0, float('nan'), 0]}, 'finite'),
        ({'gravity': [0, 1, 0], 'depth_encoding': 'jet'}, "gravity is for depth_encoding 'hha'"),
        ({'depth_range': [0, 1]}, 'begin above 0'),
        ({'depth_encoding': 'hsv'}, "'jet', 'normals' or 'hha'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object], cause: str) -> None:
    with pytest.raises(ValidationError, match=cause):
        PreprocessingSettings.model_validate({'depth_encoding': 'hha'} | change)


def test_a_real_apple_is_round_and_stands(shared_data: Path) -> None:
    crop = next(c for c in find_crops(shared_data / 'uw_rgbd') if c.instance == 'apple_1')
    depth = crop.observation().frames['depth'].image  # type: ignore[index]
    picture = depth_input(depth, PreprocessingSettings(depth_encoding='hha')).astype(int)
    assert picture[40:60, 49:99, 2].mean() > picture[88:108, 49:99, 2].mean() + 20  # looks up
    assert picture[40:60, 49:99, 1].mean() > picture[88:108, 49:99, 1].mean() + 20  # is higher
