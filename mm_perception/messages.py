# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the node says, as ROS messages. The way in, from image messages, is in ``images``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from std_msgs.msg import Header

from mm_perception.diagnostics import Level, Status
from mm_perception.health import NS
from mm_perception.observation import UNKNOWN, Modality, Prediction
from mm_perception.regions import Region, RegionSettings, find_region

if TYPE_CHECKING:
    from mm_perception.objects import LabelledObject
    from mm_perception.parameters import Parameter
    from mm_perception.watch import Labelled

try:
    from vision_msgs import msg as vision
except ImportError:  # the builds of ROS on PyPI have none
    vision = None

CLASSIFICATION: Any = getattr(vision, 'Classification', None)
"""vision_msgs/Classification where it is installed, else None."""

OBJECTS: Any = getattr(vision, 'Detection2DArray', None)
"""vision_msgs/Detection2DArray, likewise."""


def header_of(labelled: Labelled) -> Any:
    """Make the header that every message about this observation carries."""
    return Header(stamp=time_of(labelled.observation.stamp), frame_id=labelled.used[-1].frame_id)


def time_of(stamp: int) -> Any:
    """Nanoseconds as ``builtin_interfaces/Time``."""
    return Time(sec=stamp // NS, nanosec=stamp % NS)


def prediction_message(node: str, labelled: Labelled) -> Any:
    """Everything about the labels, as a ``DiagnosticArray``; ``node`` is fully qualified.

    It has one status; where objects are sought, one for each of them, the main one first.
    """
    if labelled.objects is not None:
        told = [_object_status(labelled, each) for each in labelled.objects]
    elif labelled.prediction is not None:
        told = [_prediction_status(labelled, labelled.prediction)]
    else:
        told = []
    statuses = [_status_message(node, status) for status in told]
    return DiagnosticArray(header=header_of(labelled), status=statuses)


def _object_status(labelled: Labelled, each: LabelledObject) -> Status:
    status = _prediction_status(labelled, each.prediction)
    where = {
        'id': str(each.seen.id),
        'box': ' '.join(map(str, _pixels(labelled, each))),
        'carried': str(each.seen.carried).lower(),
    }
    return replace(status, subject=f'object {each.seen.id}', values={**where, **status.values})


def _pixels(labelled: Labelled, each: LabelledObject) -> Region:
    """Give the box in pixels of the colour image, of depth's if there is no other."""
    frame = min(labelled.used, key=lambda frame: frame.modality is not Modality.RGB)
    return find_region(RegionSettings(), frame, each.seen.box)


def _prediction_status(labelled: Labelled, prediction: Prediction) -> Status:
    used = [f for f in labelled.used if prediction.mode in ('rgbd', str(f.modality))]
    values = {
        'label': prediction.label,
        'mode': prediction.mode,
        'confidence': f'{prediction.confidence:.4f}',
        **_measured(novelty=prediction.novelty, contradiction=prediction.contradiction),
        **{f'{frame.modality}_stamp': str(frame.stamp) for frame in used},
        'latency_ms': f'{labelled.latency:.2f}',
        'inference_ms': f'{labelled.inference:.2f}',
        **{f'{stage}_ms': f'{ms:.2f}' for stage, ms in prediction.took.items()},
        **{f'score/{name}': f'{p:.6f}' for name, p in prediction.probabilities.items()},
    }
    level = Level.OK if prediction.mode == 'rgbd' else Level.WARN
    return Status('prediction', level, prediction.label, values)


def _measured(**figures: float | None) -> dict[str, str]:
    return {name: f'{value:.3f}' for name, value in figures.items() if value is not None}


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
        x, y, made.bbox.size_x, made.bbox.size_y = map(float, _pixels(labelled, each))
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
