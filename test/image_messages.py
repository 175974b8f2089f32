# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages to decode, of rclpy and of rosbags."""

from __future__ import annotations

import sys
from array import array
from typing import Any

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

from mm_perception.errors import ImageError
from mm_perception.images import frame_from_message
from mm_perception.observation import Frame, Modality

STORE = get_typestore(Stores.ROS2_JAZZY)
COLOUR = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8')
DEPTH = ('16UC1', 'mono16', '32FC1')
PIXEL = {
    'rgb8': 3,
    'bgr8': 3,
    'rgba8': 4,
    'bgra8': 4,
    'mono8': 1,
    '16UC1': 2,
    'mono16': 2,
    '32FC1': 4,
}
NATIVE = int(sys.byteorder == 'big')


class Rclpy:
    """Messages as a node gets them: data is an array('B')."""

    name = 'rclpy'

    @staticmethod
    def empty(kind: str) -> Any:
        return getattr(pytest.importorskip('sensor_msgs.msg'), kind)()

    @staticmethod
    def data(content: bytes) -> Any:
        return array('B', content)


class Rosbags:
    """Messages as training gets them: data is a NumPy array."""

    name = 'rosbags'

    @staticmethod
    def empty(kind: str) -> Any:
        types = STORE.types
        stamp = types['builtin_interfaces/msg/Time'](0, 0)
        header = types['std_msgs/msg/Header'](stamp, '')
        empty = np.zeros(0, np.uint8)
        if kind == 'Image':
            return types['sensor_msgs/msg/Image'](header, 0, 0, '', 0, 0, empty)
        return types['sensor_msgs/msg/CompressedImage'](header, '', empty)

    @staticmethod
    def data(content: bytes) -> Any:
        return np.frombuffer(content, np.uint8)


from_either_library = pytest.mark.parametrize('source', [Rclpy, Rosbags], ids=lambda s: s.name)


def image(
    encoding: str,
    width: int,
    height: int,
    content: bytes,
    *,
    step: int | None = None,
    bigendian: int = NATIVE,
    source: Any = Rosbags,
) -> Any:
    msg = source.empty('Image')
    msg.header.frame_id = 'camera'
    msg.encoding, msg.width, msg.height, msg.is_bigendian = encoding, width, height, bigendian
    msg.step = width * PIXEL.get(encoding, 1) if step is None else step
    msg.data = source.data(content)
    return msg


def rgb(msg: Any) -> np.ndarray:
    return frame_from_message(msg, Modality.RGB).image


def depth(msg: Any) -> np.ndarray:
    return frame_from_message(msg, Modality.DEPTH).image


def frame_or_one_line(msg: Any, modality: Modality) -> Frame | None:
    """Decode what may be bad: an ImageError of one line is an answer, any other error is not."""
    try:
        return frame_from_message(msg, modality)
    except ImageError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    return None
