# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Writes small real bags in every format, and breaks them as killed recorders do."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_typestore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

START = 1_700_000_000_000_000_000
"""Receive time of the first message, ns."""

PERIOD = 100_000_000
"""Between two frames, ns."""

HEIGHT, WIDTH = 24, 32
RGB_TOPIC, DEPTH_TOPIC = '/camera/rgb/image_raw', '/camera/depth_registered/image_raw'
FORMATS = (
    'sqlite3',
    'mcap',
    'sqlite3 file',
    'mcap file',
    'sqlite3 message',
    'mcap message',
    'mcap storage',
    'ros1',
    'ros1 lz4',
    'ros1 bz2',
)

ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS2 = get_typestore(Stores.ROS2_JAZZY)

_MAGIC = b'\x89MCAP0\r\n'
_SEQUENCE = itertools.count()


@dataclass
class Said:
    """One message to record; ``fields`` are the message's, without header."""

    topic: str
    msgtype: str
    time: int
    fields: dict[str, Any] = field(default_factory=dict)
    stamp: int | None = None
    frame_id: str = 'camera_rgb_optical_frame'


def colours(seed: int) -> np.ndarray:
    """A picture whose noise no other has, so that health finds it alive."""
    return np.random.default_rng(seed).integers(40, 220, (HEIGHT, WIDTH, 3), np.uint8)


def distances(seed: int) -> np.ndarray:
    """Millimetres, one in ten unknown."""
    rng = np.random.default_rng(1_000_000 + seed)
    depth = rng.integers(600, 1800, (HEIGHT, WIDTH), np.uint16)
    depth[rng.random(depth.shape) < 0.1] = 0
    return depth


def image(topic: str, time: int, pixels: np.ndarray, encoding: str, **other: Any) -> Said:
    data = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
    fields = {
        'height': pixels.shape[0],
        'width': pixels.shape[1],
        'encoding': encoding,
        'is_bigendian': 0,
        'step': data.size // pixels.shape[0],
        'data': data,
    } | other.pop('fields', {})
    return Said(topic, 'sensor_msgs/msg/Image', time, fields, **other)


def compressed(topic: str, time: int, data: bytes, data_format: str) -> Said:
    fields = {'format': data_format, 'data': np.frombuffer(data, np.uint8)}
    return Said(topic, 'sensor_msgs/msg/CompressedImage', time, fields)


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode('.png', pixels)[1].tobytes()


def text(topic: str, time: int, content: str) -> Said:
    return Said(topic, 'std_msgs/msg/String', time, {'data': content})


def camera_info(topic: str, time: int, focal: float) -> Said:
    k = np.array([focal, 0, WIDTH / 2, 0, focal, HEIGHT / 2, 0, 0, 1])
    fields = {'height': HEIGHT, 'width': WIDTH, 'k': k}
    return Said(topic, 'sensor_msgs/msg/CameraInfo', time, fields)


def rgbd(
    frames: int, rgb_topic: str = RGB_TOPIC, depth_topic: str = DEPTH_TOPIC, start: int = START
) -> list[Said]:
    """RGB and depth at 10 Hz, their stamps 3 ms apart, received 20 and 25 ms later."""
    said = []
    for index in range(frames):
        stamp = start + index * PERIOD - 20_000_000
        said.append(image(rgb_topic, stamp + 20_000_000, colours(index), 'rgb8', stamp=stamp))
        later = stamp + 3_000_000
        said.append(image(depth_topic, stamp + 25_000_000, distances(index), '16UC1', stamp=later))
    return said


def record(path: Path, said: Iterable[Said], kind: str = 'sqlite3', chunk: int = 4) -> Path:
    """Write a bag: a rosbag2 folder at ``path``, or ``path`` + ``.bag``.

    Args:
        path: Where.
        said: In the order in which to write.
        kind: One of FORMATS.
        chunk: How many messages an MCAP chunk holds.

    """
    storage, _, compression = kind.partition(' ')
    path.parent.mkdir(parents=True, exist_ok=True)
    if storage == 'ros1':
        return _record_ros1(path.with_name(path.name + '.bag'), said, compression)
    writer = Rosbag2Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if compression:
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    connections: dict[str, Any] = {}
    with writer:
        for index, one in enumerate(said, 1):
            if one.topic not in connections:
                connections[one.topic] = writer.add_connection(
                    one.topic, one.msgtype, typestore=ROS2
                )
            data = ROS2.serialize_cdr(_message(ROS2, one), one.msgtype)
            writer.write(connections[one.topic], one.time, data)
            if storage == 'mcap' and index % chunk == 0:
                writer.storage.close_chunk()
    return path


def _record_ros1(path: Path, said: Iterable[Said], compression: str) -> Path:
    writer = Rosbag1Writer(path)
    if compression:
        writer.set_compression(writer.CompressionFormat[compression.upper()])
    connections: dict[str, Any] = {}
    with writer:
        for one in said:
            if one.topic not in connections:
                connections[one.topic] = writer.add_connection(
                    one.topic, one.msgtype, typestore=ROS1
                )
            data = ROS1.serialize_ros1(_message(ROS1, one), one.msgtype)
            writer.write(connections[one.topic], one.time, data)
    return path


def storage_file(folder: Path) -> Path:
    """The one storage file of a bag, or the bag itself."""
    files = (
        [p for p in folder.glob('*') if p.name != 'metadata.yaml'] if folder.is_dir() else [folder]
    )
    assert len(files) == 1
    return files[0]


def mcap_records(data: bytes) -> list[tuple[int, bytes]]:
    """Opcode and content of each record from the start of ``data``."""
    records, position = [], 0
    while position < len(data) and data[position:] != _MAGIC:
        opcode, length = struct.unpack_from('<BQ', data, position)
        position += 9 + length
        records.append((opcode, data[position - length : position]))
    return records


def killed_unchunked_mcap(source: Path, target: Path, order: Sequence[int] | None = None) -> None:
    """Rewrite an uncompressed MCAP file as a killed recorder without chunks leaves it.

    Args:
        source: The whole file.
        target: Where to write.
        order: In which order the messages stand in the file; as in the source if None.

    """
    records = mcap_records(source.read_bytes()[len(_MAGIC) :])
    # A chunk: times 16, size 8, CRC 4, no compression name 4, size 8, then records.
    inner = [r for opcode, content in records if opcode == 6 for r in mcap_records(content[40:])]
    messages = [record for record in inner if record[0] == 5]
    about = [record for record in inner if record[0] != 5]
    chosen = messages if order is None else [messages[i] for i in order]
    with target.open('wb') as file:
        file.write(_MAGIC)
        for opcode, content in [records[0], *about, *chosen]:
            file.write(struct.pack('<BQ', opcode, len(content)) + content)


def _message(store: Any, said: Said) -> Any:
    fields = dict(said.fields)
    ros1 = store is ROS1
    if said.msgtype == 'sensor_msgs/msg/CameraInfo':
        empty = {'d': np.zeros(5), 'r': np.zeros(9), 'p': np.zeros(12)}
        fields = empty | fields
        if ros1:
            fields = {k.upper() if len(k) == 1 else k: v for k, v in fields.items()}
        region = store.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, do_rectify=False)
        fields |= {'distortion_model': '', 'binning_x': 0, 'binning_y': 0, 'roi': region}
    if said.msgtype.startswith('sensor_msgs'):
        stamp = said.time if said.stamp is None else said.stamp
        time = store.types['builtin_interfaces/msg/Time'](*divmod(stamp, 10**9))
        sequence = {'seq': next(_SEQUENCE)} if ros1 else {}
        header = store.types['std_msgs/msg/Header']
        fields['header'] = header(stamp=time, frame_id=said.frame_id, **sequence)
    return store.types[said.msgtype](**fields)
