# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mm_perception.health import NS
from mm_perception.interface.diagnostics import Level, Status
from mm_perception.interface.parameters import BY_NAME, PARAMETERS
from mm_perception.objects.boxes import Box
from mm_perception.objects.finding import LabelledObject, SceneObject
from mm_perception.observation import Frame, Modality, Observation, Prediction
from mm_perception.serving.labelled import Labelled

pytest.importorskip('rcl_interfaces.msg', reason='the ROS messages are not installed')

from mm_perception.interface import messages

OLDER, NEWER = 5 * NS + 1, 5 * NS + 30_000_000
RGB = Frame(Modality.RGB, OLDER, 'colour', np.zeros((2, 2, 3), np.uint8))
DEPTH = Frame(Modality.DEPTH, NEWER, 'depth', np.zeros((2, 2), np.float32))
SCORES = {'mug': 0.75, 'bowl': 0.25}
BOTH = Labelled(
    Observation.of(RGB, DEPTH),
    Prediction(NEWER, 'rgbd', 'mug', SCORES, took={'prepare': 0.5, 'classify': 2.25}),
    latency=12.345,
    inference=7,
)


def values_of(status: object) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}  # type: ignore[attr-defined]


def test_a_prediction_carries_everything_about_one_label() -> None:
    message = messages.prediction_message('/robot/mm_perception', BOTH)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 1)
    assert message.header.frame_id == 'colour'  # the picture's, though depth is newer
    (status,) = message.status
    assert (status.name, status.message) == ('/robot/mm_perception: prediction', 'mug')
    assert status.level == b'\0'
    assert values_of(status) == {
        'label': 'mug',
        'mode': 'rgbd',
        'confidence': '0.7500',
        'rgb_stamp': str(OLDER),
        'depth_stamp': str(NEWER),
        'latency_ms': '12.35',
        'inference_ms': '7.00',
        'prepare_ms': '0.50',
        'classify_ms': '2.25',
        'score/mug': '0.750000',
        'score/bowl': '0.250000',
    }


def test_a_modality_that_was_not_used_has_no_stamp_though_it_was_seen() -> None:
    single = replace(BOTH, prediction=Prediction(NEWER, 'rgb', 'mug', SCORES))
    message = messages.prediction_message('/mm_perception', single)
    assert message.header.frame_id == 'colour'
    (status,) = message.status
    assert status.level == b'\1'  # a sensor is missing
    assert values_of(status)['rgb_stamp'] == str(OLDER)
    assert 'depth_stamp' not in values_of(status)


def test_a_status_becomes_one_of_diagnostic_msgs_with_the_nodes_name() -> None:
    status = Status('rgb', Level.ERROR, 'no frame', {'rate_hz': '0.00'})
    message = messages.diagnostics_message('/mm_perception', 3 * NS, [status])
    assert message.header.stamp.sec == 3
    (made,) = message.status
    assert (made.name, made.level, made.message) == ('/mm_perception: rgb', b'\2', 'no frame')
    assert values_of(made) == {'rate_hz': '0.00'}


@pytest.mark.parametrize('parameter', PARAMETERS, ids=lambda p: p.name)
def test_a_descriptor_says_what_the_table_says(parameter: object) -> None:
    descriptor = messages.parameter_descriptor(parameter)  # type: ignore[arg-type]
    assert descriptor.description == parameter.sentence  # type: ignore[attr-defined]
    assert parameter.allowed in descriptor.additional_constraints  # type: ignore[attr-defined]


def test_descriptors_have_the_tables_ranges() -> None:
    (slop,) = messages.parameter_descriptor(BY_NAME['slop']).floating_point_range
    assert (slop.from_value, slop.to_value) == (0.0, 1.0)
    (repeats,) = messages.parameter_descriptor(BY_NAME['frozen_repeats']).integer_range
    assert (repeats.from_value, repeats.to_value) == (0, 1000)


def test_a_classification_has_every_class_with_its_score() -> None:
    if messages.CLASSIFICATION is None:
        pytest.skip('vision_msgs is not installed')
    message = messages.classification_message(BOTH)
    assert message.header.frame_id == 'colour'
    assert [(r.class_id, r.score) for r in message.results] == list(SCORES.items())


def test_novelty_and_contradiction_are_told_where_they_are_known() -> None:
    strange = Prediction(NEWER, 'rgbd', 'unknown', SCORES, novelty=2.5, contradiction=0.25)
    message = messages.prediction_message('/mm_perception', replace(BOTH, prediction=strange))
    told = values_of(message.status[0])
    assert (told['label'], told['novelty'], told['contradiction']) == ('unknown', '2.500', '0.250')


WIDE = Frame(Modality.RGB, OLDER, 'colour', np.zeros((480, 640, 3), np.uint8))
BOWL = Prediction(NEWER, 'rgb', 'unknown', SCORES)
TABLE = Labelled(
    Observation.of(WIDE, DEPTH),
    BOTH.prediction,
    latency=12.345,
    inference=7,
    objects=(
        LabelledObject(
            SceneObject(7, Box(0.5, 0.25, 0.1, 0.2), Box(0.49, 0.23, 0.12, 0.24), carried=False),
            BOTH.prediction,
        ),
        LabelledObject(
            SceneObject(3, Box(0.9, 0.25, 0.1, 0.2), Box(0.89, 0.23, 0.11, 0.24), carried=True),
            BOWL,
        ),
    ),
)


def test_each_object_has_a_status_with_its_box_in_pixels_of_the_colour_image() -> None:
    message = messages.prediction_message('/mm_perception', TABLE)
    assert [status.name for status in message.status] == [
        *('/mm_perception: object 7', '/mm_perception: object 3'),
    ]
    assert [status.level for status in message.status] == [b'\0', b'\1']
    main, other = map(values_of, message.status)
    assert (main['id'], main['box'], main['carried']) == ('7', '320 120 64 96', 'false')
    assert (main['label'], main['mode'], main['confidence']) == ('mug', 'rgbd', '0.7500')
    assert (other['id'], other['box'], other['carried']) == ('3', '576 120 64 96', 'true')
    assert (other['label'], other['mode']) == ('unknown', 'rgb')
    assert 'depth_stamp' in main
    assert 'depth_stamp' not in other


def test_empty_table_is_a_message_without_a_status() -> None:
    nothing = replace(TABLE, prediction=None, objects=())
    message = messages.prediction_message('/mm_perception', nothing)
    assert len(message.status) == 0
    assert message.header.stamp.sec == 5


def test_detections_have_box_id_and_scores() -> None:
    if messages.OBJECTS is None:
        pytest.skip('vision_msgs is not installed')
    message = messages.objects_message(TABLE)
    main, other = message.detections
    assert (main.id, other.id) == ('7', '3')
    assert (main.bbox.center.position.x, main.bbox.center.position.y) == (352.0, 168.0)
    assert (main.bbox.size_x, main.bbox.size_y) == (64.0, 96.0)
    assert [r.hypothesis.class_id for r in main.results] == list(SCORES)
    assert other.results[0].hypothesis.class_id == 'unknown'
