# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file; where ROS's launch is not installed, only that it is Python.

That it starts a node that labels is tested by starting it, in test/ros.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from mm_perception.errors import SettingsError
from mm_perception.interface.cameras import Camera
from mm_perception.interface.parameters import PARAMETERS

FILE = Path(__file__).parent.parent / 'launch' / 'rgbd.launch.py'


@pytest.fixture(scope='module')
def launch_file() -> dict[str, Any]:
    pytest.importorskip('launch_ros.actions', reason='ROS launch is not installed')
    return runpy.run_path(str(FILE))


def given(launch_file: dict[str, Any], **values: str) -> dict[str, str]:
    return {**{name: default for name, (default, _) in launch_file['ARGUMENTS'].items()}, **values}


def test_the_launch_file_compiles() -> None:
    compile(FILE.read_text(encoding='utf-8'), FILE, 'exec')


def test_every_parameter_is_an_argument(launch_file: dict[str, Any]) -> None:
    assert {p.name for p in PARAMETERS} <= set(launch_file['ARGUMENTS'])


def test_arguments_are_declared_with_their_sentence(launch_file: dict[str, Any]) -> None:
    description = launch_file['generate_launch_description']()
    declared = {argument.name: argument for argument in description.get_launch_arguments()}
    assert set(declared) == set(launch_file['ARGUMENTS'])
    for name, (_, sentence) in launch_file['ARGUMENTS'].items():
        assert declared[name].description == sentence


def test_by_default_nothing_but_autostart_overrides_the_file(launch_file: dict[str, Any]) -> None:
    assert launch_file['overrides'](given(launch_file)) == {'autostart': True}


def test_arguments_arrive_in_the_parameters_types(launch_file: dict[str, Any]) -> None:
    values = launch_file['overrides'](
        given(
            launch_file,
            slop='1',
            frozen_repeats='0',
            autostart='false',
            model='/m/1',
            use_sim_time='true',
        )
    )
    assert values == {
        'use_sim_time': True,
        'slop': 1.0,
        'frozen_repeats': 0,
        'autostart': False,
        'model': '/m/1',
    }


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('slop', 'far'),
        ('slop', '7'),
        ('device', 'tpu'),
        ('autostart', 'perhaps'),
        ('use_sim_time', 'perhaps'),
    ],
)
def test_a_wrong_argument_is_refused_by_name(
    launch_file: dict[str, Any], name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=f'parameter {name}: .* is refused'):
        launch_file['overrides'](given(launch_file, **{name: value}))


def test_the_users_own_dds_profile_has_precedence(
    launch_file: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in launch_file['DDS_VARIABLES']:
        monkeypatch.delenv(variable, raising=False)
    profile = given(launch_file)['dds_profile']
    assert Path(profile).is_file()
    assert set(launch_file['environment'](profile).values()) == {profile}
    assert launch_file['environment']('') == {}
    monkeypatch.setenv(launch_file['DDS_VARIABLES'][0], '/mine.xml')
    assert launch_file['environment'](profile) == {}


@pytest.mark.parametrize('argument', ['params_file', 'dds_profile'])
def test_a_file_that_is_not_there_is_refused(
    launch_file: dict[str, Any], monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    for variable in launch_file['DDS_VARIABLES']:
        monkeypatch.delenv(variable, raising=False)
    context = launch_file['LaunchContext']()
    context.launch_configurations.update(given(launch_file))
    assert len(launch_file['start'](context)) == 1
    context.launch_configurations[argument] = '/nowhere/file'
    with pytest.raises(SettingsError, match=f'^{argument} /nowhere/file: there is no such file$'):
        launch_file['start'](context)


def test_the_node_gets_an_enclave_only_where_one_is_given(launch_file: dict[str, Any]) -> None:
    assert launch_file['enclave'](given(launch_file)['enclave']) == []
    assert launch_file['enclave']('/mm/arm') == ['--enclave', '/mm/arm']


def test_several_cameras_are_one_process_with_their_names_and_topics(
    launch_file: dict[str, Any],
) -> None:
    arguments = given(launch_file, cameras='front,left', camera='openni2', namespace='robot')
    chosen = launch_file['chosen'](arguments, launch_file['served'](arguments, '/fleet'))
    assert chosen.remappings['/fleet/robot/left/rgb/image'] == (
        '/fleet/robot/left/camera/rgb/image_raw'
    )
    assert len(chosen.remappings) == 8
    context = launch_file['LaunchContext']()
    context.launch_configurations.update(arguments)
    (node,) = launch_file['start'](context)
    words = [part.perform(context) for argument in node.cmd[1:3] for part in argument]
    assert words == ['--cameras', 'front,left']


def test_a_detector_is_listened_to_where_one_is_given(launch_file: dict[str, Any]) -> None:
    camera = Camera({'rgb/image': '/colour'}, {})
    seen = [('rgb/image', '/colour')]
    remappings = launch_file['remappings']
    assert remappings(given(launch_file), camera) == seen
    found = given(launch_file, detections='/yolo/boxes')
    assert remappings(found, camera) == [*seen, ('detections', '/yolo/boxes')]


@pytest.mark.parametrize(
    ('values', 'around', 'namespaces'),
    [
        ({}, '', ['/']),
        ({'namespace': 'robot'}, '/fleet', ['/fleet/robot']),
        ({'namespace': '/robot'}, '/fleet', ['/robot']),
        ({'cameras': 'front,left'}, '/fleet', ['/fleet/front', '/fleet/left']),
        ({'cameras': 'front', 'namespace': '/robot'}, '', ['/robot/front']),
    ],
)
def test_it_knows_the_namespace_of_each_node(
    launch_file: dict[str, Any], values: dict[str, str], around: str, namespaces: list[str]
) -> None:
    assert [*launch_file['served'](given(launch_file, **values), around)] == namespaces


def test_arguments_are_written_for_all_nodes_and_for_each_by_its_name(
    launch_file: dict[str, Any],
) -> None:
    file = Path(launch_file['written']({'slop': 0.1}, ['/', '/front']))
    content = yaml.safe_load(file.read_text(encoding='utf-8'))
    file.unlink()
    assert {*content} == {'/**', '/mm_perception', '/front/mm_perception'}
    assert all(block == {'ros__parameters': {'slop': 0.1}} for block in content.values())
