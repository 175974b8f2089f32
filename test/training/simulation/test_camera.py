# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.simulation.camera import CENTRE, HEIGHT, WIDTH, View

angles = st.floats(0.2, 1.3)
turns = st.floats(-3.1, 3.1)


def looking(azimuth: float, elevation: float, roll: float = 0.0) -> View:
    flat = np.cos(elevation)
    position = 0.8 * np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    return View.looking(position, (0, 0, 0), roll)


@given(turns, angles, st.floats(-0.1, 0.1))
def test_what_it_looks_at_is_in_the_middle_of_the_picture(
    azimuth: float, elevation: float, roll: float
) -> None:
    pixels = looking(azimuth, elevation, roll).pixels_of([[0, 0, 0]])
    assert pixels[0] == pytest.approx(CENTRE, abs=1e-6)


@given(turns, angles)
def test_up_is_up_in_the_picture(azimuth: float, elevation: float) -> None:
    low, high = looking(azimuth, elevation).pixels_of([[0, 0, 0], [0, 0, 0.1]])
    assert high[1] < low[1]
    assert high[0] == pytest.approx(low[0], abs=1e-6)


@given(turns, angles, st.floats(-0.1, 0.1))
def test_the_depth_of_a_plane_is_where_the_rays_meet_it(
    azimuth: float, elevation: float, roll: float
) -> None:
    view = looking(azimuth, elevation, roll)
    inverse = view.inverse_depth((0, 0, 1), 0)
    rays = view.rays(0, HEIGHT - 2, WIDTH, HEIGHT)
    z = 1 / inverse[HEIGHT - 2 :].reshape(-1)
    heights = view.position[2] + rays[:, 2] * z
    assert heights == pytest.approx(np.zeros(len(heights)), abs=1e-5)


@given(turns, angles)
def test_a_texture_lies_where_its_points_are_seen(azimuth: float, elevation: float) -> None:
    view = looking(azimuth, elevation)
    mapping = view.homography((0.1, -0.05, 0), (0.01, 0, 0), (0, 0.02, 0))
    mapped = mapping @ (3, 4, 1)
    assert mapped[:2] / mapped[2] == pytest.approx(view.pixels_of([[0.13, 0.03, 0]])[0])
