# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded messages become ROS messages, field by field."""

from __future__ import annotations

from typing import Any

import numpy as np
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, Image

from training.live.translation import fill_message

ROS1 = get_typestore(Stores.ROS1_NOETIC).types
ROS2 = get_typestore(Stores.ROS2_JAZZY).types


def header(types: dict[str, Any], **sequence: int) -> Any:
    stamp = types['builtin_interfaces/msg/Time'](sec=12, nanosec=34)
    return types['std_msgs/msg/Header'](stamp=stamp, frame_id='lens', **sequence)


def image(pixels: np.ndarray) -> Any:
    height, width = pixels.shape
    data = pixels.reshape(-1)
    return ROS2['sensor_msgs/msg/Image'](header(ROS2), height, width, 'mono8', 0, width, data)


def test_image_keeps_header_and_pixels_when_its_size_changes_and_when_not() -> None:
    message = Image()
    for shape in ((4, 6), (4, 6), (2, 3), (5, 7)):
        pixels = np.random.default_rng(shape[0]).integers(0, 255, shape, np.uint8)
        fill_message(message, image(pixels))
        assert (message.height, message.width, message.encoding) == (*shape, 'mono8')
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
        assert message.header.frame_id == 'lens'
        assert bytes(message.data) == pixels.tobytes()


def test_ros1_camera_info_keeps_its_matrices() -> None:
    roi = ROS1['sensor_msgs/msg/RegionOfInterest'](1, 2, 3, 4, do_rectify=True)
    source = ROS1['sensor_msgs/msg/CameraInfo'](
        header=header(ROS1, seq=7),
        height=480,
        width=640,
        distortion_model='plumb_bob',
        D=np.arange(5.0),
        K=np.arange(9.0),
        R=np.arange(9.0) + 1,
        P=np.arange(12.0),
        binning_x=1,
        binning_y=2,
        roi=roi,
    )
    message = CameraInfo()
    fill_message(message, source)
    assert (message.height, message.width, message.distortion_model) == (480, 640, 'plumb_bob')
    assert list(message.d) == list(range(5))
    assert list(message.k) == list(range(9))
    assert list(message.r) == list(range(1, 10))
    assert list(message.p) == list(range(12))
    assert (message.binning_x, message.binning_y) == (1, 2)
    assert (message.roi.x_offset, message.roi.width, message.roi.do_rectify) == (1, 4, True)
