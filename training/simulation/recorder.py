# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Write what a simulated Kinect sends as a rosbag2 bag."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from .camera import CENTRE, FOCAL, HEIGHT, WIDTH

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray
    from rosbags.interfaces import Connection
    from typing_extensions import Self

    from .settings import Sensor, Storage

IMAGE_TOPICS: dict[Sensor, str] = {
    'rgb': '/camera/rgb/image_raw',
    'depth': '/camera/depth_registered/image_raw',
}
INFO_TOPICS: dict[Sensor, str] = {
    'rgb': '/camera/rgb/camera_info',
    'depth': '/camera/depth_registered/camera_info',
}
TRUTH_TOPIC = '/object_label_truth'
"""std_msgs/String: what is really before the camera, in bags of several objects."""
FRAME_ID = 'camera_rgb_optical_frame'
ENCODINGS: dict[Sensor, str] = {'rgb': 'rgb8', 'depth': '16UC1'}
IMAGE, INFO, STRING = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo', 'std_msgs/msg/String'
TYPES = get_typestore(Stores.ROS2_JAZZY)


class Recorder:
    """A bag being written; a context manager, which leaves nothing behind on an error."""

    def __init__(self, path: Path, storage: Storage, *, truth: bool = False) -> None:
        plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
        # Version 8 of the metadata is what both newer and older releases than Jazzy can read.
        self._writer = Writer(path, version=8, storage_plugin=plugin)
        self._truth = truth
        self._topics: dict[str, Connection] = {}

    def __enter__(self) -> Self:
        self._writer.open()
        for topic in IMAGE_TOPICS.values():
            self._add(topic, IMAGE)
        for topic in INFO_TOPICS.values():
            self._add(topic, INFO)
        if self._truth:
            self._add(TRUTH_TOPIC, STRING)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, traceback)
        if kind is not None:
            shutil.rmtree(self._writer.path, ignore_errors=True)

    def image(self, sensor: Sensor, picture: NDArray[Any], stamp: int, received: int) -> None:
        """Write a picture and its camera_info: header stamp and the bag's own time, both in ns."""
        header = _header(stamp)
        message = TYPES.types[IMAGE](
            header=header,
            height=HEIGHT,
            width=WIDTH,
            encoding=ENCODINGS[sensor],
            is_bigendian=0,
            step=picture.strides[0],
            data=np.ascontiguousarray(picture).reshape(-1).view(np.uint8),
        )
        self._write(INFO_TOPICS[sensor], _camera_info(header), received)
        self._write(IMAGE_TOPICS[sensor], message, received)

    def truth(self, label: str, received: int) -> None:
        """Write what is before the camera from now on."""
        self._write(TRUTH_TOPIC, TYPES.types[STRING](data=label), received)

    def _add(self, topic: str, kind: str) -> None:
        self._topics[topic] = self._writer.add_connection(topic, kind, typestore=TYPES)

    def _write(self, topic: str, message: Any, received: int) -> None:
        connection = self._topics[topic]
        self._writer.write(connection, received, TYPES.serialize_cdr(message, connection.msgtype))


def _header(stamp: int) -> Any:
    seconds, nanoseconds = divmod(stamp, 10**9)
    time = TYPES.types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
    return TYPES.types['std_msgs/msg/Header'](stamp=time, frame_id=FRAME_ID)


def _camera_info(header: Any) -> Any:
    """Describe the pinhole without distortion that both registered pictures share."""
    (cx, cy), focal = CENTRE, FOCAL
    return TYPES.types[INFO](
        header=header,
        height=HEIGHT,
        width=WIDTH,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        k=np.array([focal, 0, cx, 0, focal, cy, 0, 0, 1]),
        r=np.eye(3).reshape(-1),
        p=np.array([focal, 0, cx, 0, 0, focal, cy, 0, 0, 0, 1, 0]),
        binning_x=0,
        binning_y=0,
        roi=TYPES.types['sensor_msgs/msg/RegionOfInterest'](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        ),
    )
