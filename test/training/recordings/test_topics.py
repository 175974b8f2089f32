# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The two eyes of a camera are found among all that its driver publishes."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_perception.depth.registration import Intrinsics
from mm_perception.errors import RecordingError
from mm_perception.observation import Modality
from training.recordings.topics import ImageTopic, choose_topic, unregistered

BAG = Path('bag')
RGB, DEPTH = Modality.RGB, Modality.DEPTH


def topics(**encodings: str) -> list[ImageTopic]:
    return [ImageTopic(name, encoding, '', None) for name, encoding in encodings.items()]


DRIVERS = {
    'kinect_ros2': (
        {'/kinect/image_raw': 'rgb8', '/kinect/depth/image_raw': '16UC1'},
        ('/kinect/image_raw', '/kinect/depth/image_raw'),
    ),
    'openni2_camera': (
        {
            '/camera/rgb/image_raw': 'rgb8',
            '/camera/ir/image': 'mono16',
            '/camera/depth/image_raw': '16UC1',
            '/camera/depth_registered/image_raw': '32FC1',
        },
        ('/camera/rgb/image_raw', '/camera/depth_registered/image_raw'),
    ),
    'Azure_Kinect_ROS_Driver': (
        {
            '/rgb/image_raw': 'bgra8',
            '/rgb/image_raw/compressed': 'bgra8',
            '/rgb_to_depth/image_raw': 'bgra8',
            '/depth/image_raw': '16UC1',
            '/depth_to_rgb/image_raw': '16UC1',
            '/ir/image_raw': 'mono16',
        },
        ('/rgb/image_raw', '/depth_to_rgb/image_raw'),
    ),
    'realsense-ros': (
        {
            '/camera/camera/color/image_raw': 'rgb8',
            '/camera/camera/infra1/image_rect_raw': 'mono8',
            '/camera/camera/infra2/image_rect_raw': 'mono8',
            '/camera/camera/depth/image_rect_raw': '16UC1',
            '/camera/camera/aligned_depth_to_color/image_raw': '16UC1',
        },
        ('/camera/camera/color/image_raw', '/camera/camera/aligned_depth_to_color/image_raw'),
    ),
    'kinect2_ros2, ir in 16UC1': (
        {
            '/kinect2/qhd/image_color_rect': 'bgr8',
            '/kinect2/qhd/image_depth_rect': '16UC1',
            '/kinect2/sd/image_ir_rect': '16UC1',
        },
        ('/kinect2/qhd/image_color_rect', '/kinect2/qhd/image_depth_rect'),
    ),
    'compressed only': (
        {
            '/c/color/image_raw/compressed': 'rgb8',
            '/c/depth/image_raw/compressed': '16UC1',
            '/c/depth/image_raw/compressedDepth': '16UC1',
        },
        ('/c/color/image_raw/compressed', '/c/depth/image_raw/compressedDepth'),
    ),
    'our own node beside it': (
        {'/rgb': 'rgb8', '/mm_perception/annotated': 'rgb8', '/depth': '32FC1'},
        ('/rgb', '/depth'),
    ),
}


@pytest.mark.parametrize('driver', DRIVERS)
def test_camera_is_found_among_its_drivers_topics(driver: str) -> None:
    encodings, expected = DRIVERS[driver]
    for order in (1, -1):
        images = topics(**encodings)[::order]
        found = tuple(choose_topic(BAG, images, modality, None).name for modality in (RGB, DEPTH))
        assert found == expected


def test_two_cameras_are_for_the_user_to_choose_from() -> None:
    images = topics(**{'/left/rgb': 'rgb8', '/right/rgb': 'rgb8', '/right/grey': 'mono8'})
    with pytest.raises(RecordingError) as caught:
        choose_topic(BAG, images, RGB, None)
    assert str(caught.value) == (
        'bag: more than one topic holds rgb images: /left/rgb (rgb8), /right/rgb (rgb8); '
        'choose one with --rgb-topic'
    )
    assert choose_topic(BAG, images, RGB, '/right/grey').name == '/right/grey'


def test_a_missing_modality_names_what_was_seen() -> None:
    with pytest.raises(RecordingError, match=r'^bag: no depth images; image topics: /rgb \(rgb8\)'):
        choose_topic(BAG, topics(**{'/rgb': 'rgb8'}), DEPTH, None)


def camera(width: int, focal: float) -> Intrinsics:
    height = width * 3 // 4
    return Intrinsics(width, height, (focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1))


@pytest.mark.parametrize(
    ('frames', 'cameras', 'reason'),
    [
        (('rgb', 'rgb'), {}, None),
        (('', 'depth'), {}, None),
        (('rgb', 'depth'), {}, 'depth is in the frame depth, colour in rgb'),
        (('0', '0'), {'/c/rgb/info': (640, 570), '/c/depth/info': (640, 570)}, None),
        (('0', '0'), {'/c/rgb/info': (640, 570), '/c/depth/info': (320, 285)}, None),
        (('0', '0'), {'/c/rgb/info': (640, 615), '/c/depth/info': (640, 475)}, 'camera_info'),
        (('0', '0'), {'/c/camera_info': (640, 570)}, None),
        (('0', '0'), {'/c/rgb/info': (640, 570), '/c/depth/info': (0, 0)}, None),
    ],
)
def test_depth_of_another_camera_is_not_registered(
    frames: tuple[str, str], cameras: dict[str, tuple[int, float]], reason: str | None
) -> None:
    rgb = ImageTopic('/c/rgb/image_raw', 'rgb8', frames[0], (640, 480))
    depth = ImageTopic('/c/depth/image_raw', '16UC1', frames[1], (640, 480))
    found = unregistered(rgb, depth, {name: camera(*given) for name, given in cameras.items()})
    assert (found is None) == (reason is None)
    assert (reason or '') in (found or '')
