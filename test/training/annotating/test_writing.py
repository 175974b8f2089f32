# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mm_perception.errors import RecordingError
from mm_perception.health import NS
from mm_perception.interface.diagnostics import Level, Status
from mm_perception.observation import Frame, Modality, Observation, Prediction
from mm_perception.serving.labelled import Labelled
from training.annotating.writing import DIAGNOSTICS, NODE, PREDICTION, TYPES, annotated_bag
from training.recordings.bags import find_recordings
from training.recordings.storage import ROS2, open_storage

RGB = Frame(Modality.RGB, 5 * NS + 1, 'colour', np.zeros((2, 2, 3), np.uint8))
DEPTH = Frame(Modality.DEPTH, 5 * NS + 30, 'depth', np.zeros((2, 2), np.float32))
LABELLED = Labelled(
    Observation.of(RGB, DEPTH),
    Prediction(5 * NS + 30, 'rgbd', 'mug', {'mug': 0.75, 'bowl': 0.25}, 1.5, 0.5, {'prepare': 0.5}),
    latency=12.3,
    inference=7.0,
)
STATUSES = [
    Status('rgb', Level.WARN, 'no frame', {'rate_hz': '0.00'}),
    Status('model', Level.OK, 'two classes'),
]


def test_a_prediction_and_diagnostics_are_what_the_node_sends(tmp_path: Path) -> None:
    messages = pytest.importorskip(
        'mm_perception.interface.messages', reason='ROS is not installed'
    )
    serialize_message = pytest.importorskip('rclpy.serialization').serialize_message
    file = tmp_path / 'out.mcap'
    with annotated_bag(file, overwrite=False) as bag:
        bag.label(LABELLED, np.zeros((4, 4, 3), np.uint8), 6 * NS)
        bag.diagnostics(STATUSES, 7 * NS)
    (recording,) = find_recordings([file])
    with open_storage(recording.files) as storage:
        written = {m.topic: m.read() for m in storage.messages([PREDICTION, DIAGNOSTICS])}
    sent = {
        PREDICTION: messages.prediction_message(NODE, LABELLED),
        DIAGNOSTICS: messages.diagnostics_message(NODE, 7 * NS, STATUSES),
    }
    for topic, message in sent.items():
        received = ROS2.deserialize_cdr(serialize_message(message), TYPES[topic])
        assert written[topic] == received


def test_a_full_disk_is_told_in_one_line_and_nothing_is_left(tmp_path: Path) -> None:
    with (
        pytest.raises(RecordingError, match=r'out\.mcap: cannot be written: .*make room'),
        annotated_bag(tmp_path / 'out.mcap', overwrite=False),
    ):
        raise OSError(28, 'No space left on device')
    assert not list(tmp_path.iterdir())
