# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag1,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)

from training.annotating.definitions import definition_of
from training.recordings.storage import ROS2

NONE, MSG = MessageDefinitionFormat.NONE, MessageDefinitionFormat.MSG
OURS = 'our_msgs/msg/Grip'


def connection(kind: str, text: str = '', digest: str = '', *, ros1: bool = False) -> Connection:
    ext = ConnectionExtRosbag1(None, None) if ros1 else ConnectionExtRosbag2('cdr', [])
    definition = MessageDefinition(MSG if text else NONE, text)
    return Connection(1, '/topic', kind, definition, digest, 1, ext, None)


def test_a_type_of_the_users_own_is_announced_with_its_own_definition() -> None:
    found = definition_of(connection(OURS, 'float64 force\nstring finger\n'))
    assert found is not None
    assert found.text == 'float64 force\nstring finger\n'
    assert found.digest.startswith('RIHS01_')
    other = definition_of(connection(OURS, 'float32 force\nstring finger\n'))
    assert other is not None
    assert other.digest != found.digest


def test_what_the_recording_says_of_a_known_type_goes_before_what_jazzy_says() -> None:
    found = definition_of(connection('std_msgs/msg/String', 'string data\n# of ours\n', 'RIHS01_7'))
    assert found is not None
    assert (found.text, found.digest) == ('string data\n# of ours\n', 'RIHS01_7')


@pytest.mark.parametrize('ros1', [False, True])
def test_a_type_without_a_definition_is_jazzys(ros1: bool) -> None:
    found = definition_of(connection('sensor_msgs/msg/CameraInfo', ros1=ros1))
    assert found is not None
    assert found.digest == ROS2.hash_rihs01('sensor_msgs/msg/CameraInfo')


@pytest.mark.parametrize(
    'unknown',
    [
        connection(OURS),
        connection(OURS, 'float64 force\n', ros1=True),
        connection(OURS, 'this is no definition'),
        connection('diagnostic_msgs/msg/Nothing', ros1=True),
    ],
)
def test_what_nobody_can_describe_has_no_definition(unknown: Connection) -> None:
    assert definition_of(unknown) is None
