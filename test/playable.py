# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a real bag to play: colour, depth, camera_info and what they show."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

START = 1_700_000_000_000_000_000
"""Receive time of the first message, ns."""

RGB, DEPTH = '/camera/rgb/image_raw', '/camera/depth_registered/image_raw'
INFOS = '/camera/rgb/camera_info', '/camera/depth_registered/camera_info'
TRUTH = '/object_label_truth'
DELAY = 20_000_000
"""From a frame's stamp to its receipt by the recorder, ns; depth takes 5 ms more."""

_STORE = get_typestore(Stores.ROS2_JAZZY)
_TYPES = _STORE.types
_AS_THEY_ARE: Mapping[str, str] = MappingProxyType({})
_FRAME_ID = 'camera_rgb_optical_frame'


def write_playable(
    path: Path,
    seconds: float,
    rate: float = 30,
    shown: Sequence[str] = ('bowl',),
    scale: int = 8,
    renamed: Mapping[str, str] = _AS_THEY_ARE,
) -> Path:
    """Write the bag.

    Args:
        path: The rosbag2 folder.
        seconds: Its length.
        rate: Pairs a second.
        shown: The objects on the truth topic, each for an equal part.
        scale: Images are 640 / scale by 480 / scale; every one differs from all others.
        renamed: Other names for topics.

    """
    connections: dict[str, Any] = {}
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, time, message in _messages(seconds, rate, shown, scale):
            name, kind = renamed.get(topic, topic), message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(name, kind, typestore=_STORE)
            writer.write(connections[topic], time, _STORE.serialize_cdr(message, kind))
    return path


def _messages(
    seconds: float, rate: float, shown: Sequence[str], scale: int
) -> Iterator[tuple[str, int, Any]]:
    width, height = 640 // scale, 480 // scale
    count = round(seconds * rate)
    said = None
    for index in range(count):
        received = START + round(index * 1e9 / rate)
        header = _header(received - DELAY)
        now = shown[index * len(shown) // count]
        if now != said:
            said = now
            yield TRUTH, received, _TYPES['std_msgs/msg/String'](data=now)
        rng = np.random.default_rng(index)
        colours = rng.integers(40, 220, (height, width, 3), np.uint8)
        millimetres = rng.integers(600, 1800, (height, width), np.uint16)
        yield RGB, received, _image(header, colours, 'rgb8')
        yield INFOS[0], received, _info(header, width, height)
        later = received + 5_000_000
        yield DEPTH, later, _image(header, millimetres, '16UC1')
        yield INFOS[1], later, _info(header, width, height)


def _header(stamp: int) -> Any:
    time = _TYPES['builtin_interfaces/msg/Time'](*divmod(stamp, 10**9))
    return _TYPES['std_msgs/msg/Header'](stamp=time, frame_id=_FRAME_ID)


def _image(header: Any, pixels: np.ndarray, encoding: str) -> Any:
    height, width = pixels.shape[:2]
    data = pixels.reshape(-1).view(np.uint8)
    return _TYPES['sensor_msgs/msg/Image'](
        header, height, width, encoding, 0, data.size // height, data
    )


def _info(header: Any, width: int, height: int) -> Any:
    k = np.array([width, 0, width / 2, 0, width, height / 2, 0, 0, 1], float)
    roi = _TYPES['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False)
    return _TYPES['sensor_msgs/msg/CameraInfo'](
        header,
        height,
        width,
        'plumb_bob',
        np.zeros(5),
        k,
        np.eye(3).ravel(),
        np.zeros(12),
        0,
        0,
        roi,
    )
