# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any serialised message, of ROS 1 and ROS 2, is read or refused, and so is the image in it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import recorder
from fuzz.frames import check_frame
from fuzz.promises import attempt

from mm_perception.depth.registration import Intrinsics
from mm_perception.images import frame_from_message
from training.recordings.storage import Received
from training.recordings.topics import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, ImageTopic

TYPES = (IMAGE, COMPRESSED_IMAGE, CAMERA_INFO, 'std_msgs/msg/String')


def target(data: bytes) -> None:
    number = data[0] % 8 if data else 0
    msgtype, ros1 = TYPES[number // 2], bool(number % 2)
    received = Received('/t', 1, data[1:], msgtype, ros1, Path('bag.bag' if ros1 else 'bag.db3'))
    message = attempt(received.read)
    if message is None:
        return
    if msgtype in (IMAGE, COMPRESSED_IMAGE):
        topic = ImageTopic.of('/t', message)
        frame = attempt(lambda: frame_from_message(message, topic.modality))
        if frame is not None:
            check_frame(frame)
    elif msgtype == CAMERA_INFO:
        Intrinsics.of(message).sees_as(Intrinsics.of(message))


@cache
def _said() -> list[Any]:
    rgb, depth = recorder.rgbd(1)
    png = recorder.png(recorder.colours(0))
    return [
        rgb,
        depth,
        recorder.compressed('/t', 0, png, 'png'),
        recorder.camera_info('/t', 0, 500),
        recorder.text('/t', 0, 'mug'),
    ]


def seeds() -> list[bytes]:
    made = []
    for said in _said():
        number = 2 * TYPES.index(said.msgtype)
        ros1 = recorder.ROS1.serialize_ros1(recorder._message(recorder.ROS1, said), said.msgtype)
        ros2 = recorder.ROS2.serialize_cdr(recorder._message(recorder.ROS2, said), said.msgtype)
        made += [bytes([number]) + bytes(ros2), bytes([number + 1]) + bytes(ros1)]
    return made
