# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from mm_perception.errors import SettingsError
from mm_perception.interface.command_line import CommandLine


def of(*words: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    line = CommandLine.of(['node', *words])
    return line.namespaces, line.ros


def test_without_cameras_everything_is_left_to_ros() -> None:
    words = ('--ros-args', '-r', '__ns:=/robot', '-p', 'slop:=0.1')
    assert of(*words) == (('',), ('node', *words))


@pytest.mark.parametrize('cameras', ['front,arm/left', '/front,/arm/left'])
def test_each_camera_has_a_namespace(cameras: str) -> None:
    assert of('--cameras', cameras) == (('/front', '/arm/left'), ('node',))


@pytest.mark.parametrize('rule', ['__ns:=/robot', '__ns:=/robot/', 'mm_perception:__ns:=robot'])
@pytest.mark.parametrize('flag', ['-r', '--remap'])
def test_the_namespace_of_the_process_is_what_the_cameras_lie_in(rule: str, flag: str) -> None:
    kept = ('-r', '/robot/left/rgb/image:=/eye')
    assert of('--cameras', 'front,left', '--ros-args', flag, rule, *kept) == (
        ('/robot/front', '/robot/left'),
        ('node', '--ros-args', *kept),
    )


def test_a_root_namespace_changes_nothing() -> None:
    words = ('--cameras', 'front', '--ros-args', '-r', '__ns:=/')
    assert of(*words) == (('/front',), ('node', '--ros-args'))


@pytest.mark.parametrize(
    'words',
    [
        ('--cameras',),
        ('--cameras', ''),
        ('--cameras', 'front,'),
        ('--cameras', 'front,front'),
        ('--cameras', 'front,/front'),
        ('--cameras', 'front left'),
        ('--cameras', '1st'),
        ('--cameras', 'für'),
        ('--cameras', '--ros-args'),
    ],
)
def test_cameras_that_ros_could_not_tell_apart_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match=r'^--cameras .* give each camera a name of its own'):
        of(*words)
