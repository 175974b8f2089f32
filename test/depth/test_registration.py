# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from array import array
from types import SimpleNamespace

import pytest

from mm_perception.depth.registration import Intrinsics, View, misregistration

VGA = Intrinsics(640, 480, (525.0, 0, 320, 0, 525.0, 240, 0, 0, 1))
HALF = Intrinsics(320, 240, (262.5, 0, 160, 0, 262.5, 120, 0, 0, 1))
INFRARED = Intrinsics(640, 480, (580.0, 0, 320, 0, 580.0, 240, 0, 0, 1))
LOWER = Intrinsics(640, 480, (525.0, 0, 320, 0, 525.0, 255, 0, 0, 1))
NOTHING = Intrinsics(0, 0, (0.0,) * 9)
UNCALIBRATED = Intrinsics(640, 480, (0.0,) * 9)


def test_images_of_one_frame_and_shape_are_taken_as_registered() -> None:
    assert misregistration(View('eye', (640, 480)), View('eye', (640, 480))) is None


def test_another_resolution_of_the_same_view_is_registered() -> None:
    assert misregistration(View('eye', (1920, 1080)), View('eye', (960, 540))) is None


def test_depth_in_another_frame_is_not_registered() -> None:
    reason = misregistration(View('colour_optical'), View('depth_optical'))
    assert reason == 'depth is in the frame depth_optical, colour in colour_optical'


def test_a_driver_that_names_no_frame_is_not_blamed() -> None:
    assert misregistration(View(''), View('eye')) is None


def test_depth_of_another_shape_is_not_registered() -> None:
    reason = misregistration(View('eye', (1920, 1080)), View('eye', (512, 424)))
    assert reason == 'depth is 512x424, colour 1920x1080: not the same view'


def test_a_size_that_is_not_known_is_not_compared() -> None:
    assert misregistration(View('eye', (1920, 1080)), View('eye')) is None


@pytest.mark.parametrize(
    ('depth', 'registered'),
    [
        (VGA, True),
        (HALF, True),
        (INFRARED, False),
        (LOWER, False),
        (NOTHING, True),
        (UNCALIBRATED, True),
        (None, True),
    ],
)
def test_camera_infos_are_compared_as_fractions_of_the_image_where_they_know_themselves(
    depth: Intrinsics | None, registered: bool
) -> None:
    for one, other in ((VGA, depth), (depth, VGA)):
        reason = misregistration(View('', camera=one), View('', camera=other))
        assert (reason is None) == registered
        assert reason is None or 'camera_info differ' in reason


def test_intrinsics_are_read_from_messages_of_either_ros() -> None:
    k = array('d', VGA.k)
    assert Intrinsics.of(SimpleNamespace(width=640, height=480, k=k)) == VGA
    assert Intrinsics.of(SimpleNamespace(width=640, height=480, K=k)) == VGA
