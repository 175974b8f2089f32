# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says, as ROS messages. The way in, from image messages, is in ``images``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from mm_perception.errors import SettingsError
from mm_perception.health import NS
from mm_perception.interface.diagnostics import Status
from mm_perception.interface.prediction_status import pixels_of, prediction_statuses
from mm_perception.observation import UNKNOWN, Prediction

if TYPE_CHECKING:
    from mm_perception.interface.parameters import Parameter
    from mm_perception.serving.labelled import Labelled

try:
    from vision_msgs import msg as vision
except ImportError:  # the builds of ROS on PyPI have none
    vision = None

CLASSIFICATION: Any = getattr(vision, 'Classification', None)
"""vision_msgs/Classification where it is installed, else None."""

OBJECTS: Any = getattr(vision, 'Detection2DArray', None)
"""vision_msgs/Detection2DArray, likewise."""


def need_detections(region: str) -> None:
    """Refuse to look where detections say if there is no such message.

    Raises:
        SettingsError: vision_msgs is not installed.

    """
    if region == 'detections' and OBJECTS is None:
        raise SettingsError(
            "parameter region: 'detections' needs vision_msgs, which is not installed; install "
            "ros-<distro>-vision-msgs, or take 'bundle' or 'tabletop'"
        )


def header_of(labelled: Labelled) -> Any:
    """Make the header that every message about this observation carries: its picture's."""
    frame = labelled.picture
    return Header(stamp=time_of(frame.stamp), frame_id=frame.frame_id)


def time_of(stamp: int) -> Any:
    """Nanoseconds as ``builtin_interfaces/Time``."""
    return Time(sec=stamp // NS, nanosec=stamp % NS)


def prediction_message(node: str, labelled: Labelled) -> Any:
    """Everything about the labels, as a ``DiagnosticArray``; ``node`` is fully qualified."""
    statuses = [_status_message(node, status) for status in prediction_statuses(labelled)]
    return DiagnosticArray(header=header_of(labelled), status=statuses)


def classification_message(labelled: Labelled) -> Any:
    """Every class with its score, as ``vision_msgs/Classification``; of the main object."""
    scores = _scores(labelled.prediction) if labelled.prediction else ()
    results = [vision.ObjectHypothesis(class_id=name, score=score) for name, score in scores]
    return CLASSIFICATION(header=header_of(labelled), results=results)


def objects_message(labelled: Labelled) -> Any:
    """Every object with its box and all scores, as ``vision_msgs/Detection2DArray``."""
    header = header_of(labelled)
    detections = []
    for each in labelled.objects or ():
        made = vision.Detection2D(header=header, id=str(each.seen.id))
        x, y, made.bbox.size_x, made.bbox.size_y = map(float, pixels_of(labelled, each))
        made.bbox.center.position.x = x + made.bbox.size_x / 2
        made.bbox.center.position.y = y + made.bbox.size_y / 2
        for name, score in _scores(each.prediction):
            hypothesis = vision.ObjectHypothesisWithPose()
            hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = name, score
            made.results.append(hypothesis)
        detections.append(made)
    return OBJECTS(header=header, detections=detections)


def _scores(prediction: Prediction) -> list[tuple[str, float]]:
    """Give every class with its score.

    ``unknown`` stands before them, with a score of 1, where that is the label: whoever takes the
    best hypothesis must not be told a class.
    """
    scores = list(prediction.probabilities.items())
    if prediction.label == UNKNOWN:
        scores.insert(0, (UNKNOWN, 1.0))
    return scores


def diagnostics_message(node: str, stamp: int, statuses: Iterable[Status]) -> Any:
    """Statuses as a ``DiagnosticArray``."""
    return DiagnosticArray(
        header=Header(stamp=time_of(stamp)),
        status=[_status_message(node, status) for status in statuses],
    )


def packed(message: Any) -> tuple[str, bytes]:
    """Give a message's type, ``sensor_msgs/msg/Image``, and the message as CDR."""
    kind = type(message)
    package = kind.__module__.partition('.')[0]
    return f'{package}/msg/{kind.__name__}', serialize_message(message)


def _status_message(node: str, status: Status) -> Any:
    return DiagnosticStatus(
        level=bytes([status.level]),
        name=f'{node}: {status.subject}',
        message=status.message,
        hardware_id=node,
        values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
    )


def parameter_descriptor(parameter: Parameter) -> Any:
    """Describe a parameter to ROS's tools, as a ``ParameterDescriptor``."""
    when = 'may be changed at any time' if parameter.live else 'read at configure'
    descriptor = ParameterDescriptor(
        description=parameter.sentence, additional_constraints=f'{parameter.allowed}; {when}'
    )
    low, high = parameter.minimum, parameter.maximum
    if parameter.type_name == 'float':
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif parameter.type_name == 'int':
        descriptor.integer_range = [
            IntegerRange(from_value=int(low), to_value=int(high), step=1),
        ]
    return descriptor
