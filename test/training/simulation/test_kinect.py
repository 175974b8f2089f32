# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.simulation.camera import FOCAL, HEIGHT, WIDTH
from training.simulation.kinect import (
    BASELINE,
    Kinect,
    automatic_gains,
    axial_noise,
    blind_depth,
    quantised,
    shadowed,
)

GREY = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)


@pytest.fixture(scope='module')
def kinect() -> Kinect:
    return Kinect(np.random.default_rng(0))


def wall(distance: float) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), distance, np.float32)


def depth_of(kinect: Kinect, z: np.ndarray) -> np.ndarray:
    return kinect.sense(GREY, z, np.random.default_rng(1))[1]


def test_axial_noise_is_the_published_one() -> None:
    # Nguyen et al. 2012: 1.2 mm at 0.4 m, 1.2 + 1.9 * 2.6^2 mm at 3 m.
    z = np.array([0.4, 3.0], np.float32)
    assert axial_noise(z) == pytest.approx([0.0012, 0.0012 + 0.0019 * 2.6**2], rel=1e-5)


@given(st.floats(0.5, 4))
def test_distances_come_in_eighths_of_a_pixel_of_disparity(z: float) -> None:
    measured = float(quantised(np.array([z], np.float32))[0])
    eighths = 8 * FOCAL * BASELINE / measured
    assert eighths == pytest.approx(round(eighths), abs=1e-3)
    assert abs(8 * FOCAL * BASELINE / z - eighths) <= 0.501


@pytest.mark.parametrize('distance', [1.5, 2.5, 3.5])
def test_a_wall_is_measured_with_the_published_noise(kinect: Kinect, distance: float) -> None:
    measured = depth_of(kinect, wall(distance))
    seen = measured[measured > 0] / 1000
    step = distance**2 / (8 * FOCAL * BASELINE)
    # A step's rounding adds its twelfth squared; so far off, millimetres add next to nothing.
    expected = np.sqrt(axial_noise(wall(distance))[0, 0] ** 2 + step**2 / 12)
    assert seen.std() == pytest.approx(expected, rel=0.05)
    assert seen.mean() == pytest.approx(distance, abs=step)
    assert (measured > 0).mean() > 0.97


@pytest.mark.parametrize('distance', [0.3, 0.47, 4.2, 8.0])
def test_there_is_no_depth_out_of_the_sensor_s_range(kinect: Kinect, distance: float) -> None:
    measured = depth_of(kinect, wall(distance))
    valid = measured[measured > 0]
    assert len(valid) < 0.01 * measured.size
    assert ((valid >= 500) & (valid <= 4000)).all()


def test_an_object_shadows_what_is_to_its_left_by_the_projector_s_parallax() -> None:
    z = wall(2.0)
    z[:, 300:340] = 1.0
    hidden = shadowed(z)[240]
    # The projector is 5 cm to the right of the colour camera, the infrared camera 2.5 cm to the
    # left: parallax hides 525 * 0.05 / 2 px on one side and half that on the other.
    assert hidden[:300].sum() == pytest.approx(FOCAL * 0.05 * 0.5, abs=2)
    assert hidden[340:].sum() == pytest.approx(FOCAL * 0.025 * 0.5, abs=2)
    assert hidden[300:340].sum() == 0


def test_an_edge_has_holes_and_lies_a_pixel_off_here_and_there(kinect: Kinect) -> None:
    z = wall(1.1)
    z[200:] = 1.0
    measured = depth_of(kinect, z)
    at_edge = measured[198:202]
    assert (at_edge == 0).mean() > 0.3
    rows = np.where(measured[190:210] == 0, 0, 1).argmin(0)
    assert len(np.unique(rows)) > 1


def test_a_grazing_surface_is_not_measured(kinect: Kinect) -> None:
    # At 1 m and 525 px of focal length, 0.5 mm a row is an incidence of 15 degrees, 40 mm 87.
    gentle = wall(1.0) + np.arange(HEIGHT, dtype=np.float32)[:, None] * 0.0005
    steep = wall(1.0) + np.arange(HEIGHT, dtype=np.float32)[:, None] * 0.04
    assert (depth_of(kinect, gentle)[10:-10] > 0).mean() > 0.9
    assert (depth_of(kinect, steep)[2:8] > 0).mean() < 0.1


def test_exposure_and_white_balance_fall_a_little_short() -> None:
    dim_warm = np.array([0.12, 0.08, 0.05], np.float32) * np.ones((HEIGHT, WIDTH, 3), np.float32)
    balanced = dim_warm[0, 0] * automatic_gains(dim_warm)
    assert 0.083 < balanced.mean() < 0.24
    assert 1 < balanced[0] / balanced[2] < 0.12 / 0.05


def test_no_two_pictures_of_the_same_thing_are_the_same(kinect: Kinect) -> None:
    rng = np.random.default_rng(1)
    (first, first_z), (second, second_z) = (kinect.sense(GREY, wall(1.0), rng) for _ in range(2))
    assert (first != second).mean() > 0.5
    assert (first_z != second_z).mean() > 0.3


def test_a_blind_sensor_sees_black_and_no_distance(kinect: Kinect) -> None:
    dark = kinect.blind_colour(np.random.default_rng(0))
    assert dark.mean() < 10
    assert dark.shape == (HEIGHT, WIDTH, 3)
    assert blind_depth().max() == 0
