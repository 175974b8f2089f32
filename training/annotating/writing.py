# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The annotated MCAP file: what was recorded, unchanged, and what the node would have said.

The picture is a JPEG on ``annotated/compressed``. Raw it would be as large as all colour images
together; as JPEG it has a tenth of that. The topic's name is image_transport's, by which RViz
finds its decoder; Foxglove opens it as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from mm_perception.errors import RecordingError, SettingsError
from mm_perception.health import NS
from mm_perception.interface.diagnostics import Status
from mm_perception.interface.prediction_status import prediction_statuses
from mm_perception.serving.labelled import Labelled
from training.annotating.definitions import definition_of
from training.recordings.storage import ROS2, Received, Storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NODE = '/mm_perception'
"""The node's name, fully qualified, as it is when nobody renames it."""

LABEL, MODALITY, PREDICTION = '/object_label', f'{NODE}/modality', f'{NODE}/prediction'
PICTURE, DIAGNOSTICS = f'{NODE}/annotated/compressed', '/diagnostics'
_DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'
TYPES = {
    LABEL: 'std_msgs/msg/String',
    MODALITY: 'std_msgs/msg/String',
    PREDICTION: _DIAGNOSTICS,
    PICTURE: 'sensor_msgs/msg/CompressedImage',
    DIAGNOSTICS: _DIAGNOSTICS,
}
"""What is written, with its type."""

_QUALITY = 85  # of the JPEG: text stays sharp
_FOREVER = QosTime(2147483647, 4294967295)
_KEPT = Qos(
    QosHistory.KEEP_LAST,
    1,
    QosReliability.RELIABLE,
    QosDurability.TRANSIENT_LOCAL,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    avoid_ros_namespace_conventions=False,
)
"""The mode's: whoever subscribes late is told it too, when the file is played."""


class Topics(NamedTuple):
    """What becomes of a recording's topics.

    Attributes:
        passed_on: Those that are written as they are.
        left_out: Those that are not: of a type that ROS 2 does not have, or said anew.

    """

    passed_on: frozenset[str]
    left_out: tuple[str, ...]


class AnnotatedBag:
    """An MCAP file being written."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        qos = {MODALITY: [_KEPT]}
        self._connections = {
            topic: writer.add_connection(
                topic, kind, typestore=ROS2, offered_qos_profiles=qos.get(topic, [])
            )
            for topic, kind in TYPES.items()
        }

    def announce(self, storage: Storage) -> Topics:
        """Prepare to pass a recording's topics on, all that can be."""
        passed, left_out = [], []
        for topic in sorted(storage.topics):
            connection = storage.connection(topic)
            definition = None if topic in TYPES else definition_of(connection)
            if definition is None:
                left_out.append(topic)
                continue
            passed.append(topic)
            self._connections[topic] = self._writer.add_connection(
                topic,
                connection.msgtype,
                msgdef=definition.text,
                rihs01=definition.digest,
                offered_qos_profiles=definition.qos,
            )
        return Topics(frozenset(passed), tuple(left_out))

    def pass_on(self, message: Received) -> None:
        """Write a recorded message as it is."""
        self._writer.write(self._connections[message.topic], message.time, message.as_ros2())

    def label(self, labelled: Labelled, picture: NDArray[np.uint8], time: int) -> None:
        """Write a label: the class, if there is an object, all about it, and the picture (RGB)."""
        header = _header(labelled.picture.stamp, labelled.picture.frame_id)
        if labelled.prediction is not None:
            self._text(LABEL, labelled.prediction.label, time)
        statuses = [_status(each) for each in prediction_statuses(labelled)]
        self._write(PREDICTION, time, header=header, status=statuses)
        _, data = cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        self._write(PICTURE, time, header=header, format='jpeg', data=data)

    def mode(self, mode: str, time: int) -> None:
        """Write the mode that labels are made in from now on."""
        self._text(MODALITY, mode, time)

    def diagnostics(self, statuses: Iterable[Status], time: int) -> None:
        """Write how sensors, model and labels are."""
        header = _header(time, '')
        self._write(DIAGNOSTICS, time, header=header, status=[_status(each) for each in statuses])

    def _text(self, topic: str, text: str, time: int) -> None:
        self._write(topic, time, data=text)

    def _write(self, topic: str, time: int, **fields: Any) -> None:
        kind = TYPES[topic]
        data = ROS2.serialize_cdr(ROS2.types[kind](**fields), kind)
        self._writer.write(self._connections[topic], time, data)


@contextmanager
def annotated_bag(path: Path, *, overwrite: bool) -> Iterator[AnnotatedBag]:
    """Write an MCAP file that is there when it is whole, and not before.

    Args:
        path: The file.
        overwrite: Whether it may take an earlier one's place.

    Raises:
        SettingsError: It is there already, or has no ``.mcap`` name.
        RecordingError: It cannot be written; nothing is left of it.

    """
    refuse(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as folder:
            writer = Writer(Path(folder, path.stem), version=9, storage_plugin=StoragePlugin.MCAP)
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            with writer:
                yield AnnotatedBag(writer)
            (writer.path / path.name).replace(path)
    except OSError as error:
        raise RecordingError(
            f'{path}: cannot be written: {error.strerror or error}; make room or choose another'
        ) from error


def refuse(path: Path, *, overwrite: bool) -> None:
    """Refuse a file that cannot be written; see ``annotated_bag``."""
    if path.suffix != '.mcap':
        raise SettingsError(f'{path}: what is written is an MCAP file; give it a name in .mcap')
    if path.is_dir() or (path.exists() and not overwrite):
        raise SettingsError(f'{path}: exists; choose another name, or give --overwrite')


def _header(stamp: int, frame_id: str) -> Any:
    time = ROS2.types['builtin_interfaces/msg/Time'](sec=stamp // NS, nanosec=stamp % NS)
    return ROS2.types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id)


def _status(status: Status) -> Any:
    pair = ROS2.types['diagnostic_msgs/msg/KeyValue']
    return ROS2.types['diagnostic_msgs/msg/DiagnosticStatus'](
        level=int(status.level),
        name=f'{NODE}: {status.subject}',
        message=status.message,
        hardware_id=NODE,
        values=[pair(key=key, value=value) for key, value in status.values.items()],
    )
