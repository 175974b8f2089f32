# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Start the node on a camera: ``ros2 launch mm_perception rgbd.launch.py camera:=… model:=…``.

With ``cameras:=front,left`` one process serves several, with a node and a namespace for each.

Every parameter of the node is an argument as well; what is not given is left to the camera's
preset, then to the file of parameters, whatever blocks it has for which node. The one exception is
`autostart`, which is true here unless given otherwise: whoever launches a node wants it to start.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from mm_perception.errors import SettingsError
from mm_perception.interface.cameras import Camera, load_camera, load_cameras
from mm_perception.interface.command_line import OPTION, CommandLine
from mm_perception.interface.parameters import BY_NAME, PARAMETERS, Parameter

CONFIG = Path(__file__).resolve().parent.parent / 'config'
# The variable's name changed with Fast DDS 3, of ROS 2 Kilted.
DDS_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
# ROS's own, which every node has; checked like ours.
OVERRIDES = (Parameter('use_sim_time', False, 'Take the time from /clock.'), *PARAMETERS)
ARGUMENTS = {
    'camera': (
        '',
        'Preset in config/cameras, or the path of your own; of several cameras one, or one each.',
    ),
    'cameras': (
        '',
        'Names of several cameras, such as front,left, that one process serves; their namespaces.',
    ),
    'detections': (
        '',
        "A detector's topic, with region:=detections; of several cameras relative to each one's.",
    ),
    'params_file': (str(CONFIG / 'mm_perception.yaml'), 'File of parameters.'),
    'namespace': ('', "The node's namespace."),
    'enclave': ('', 'Its enclave of SROS 2, see config/sros2; empty: none of its own.'),
    'dds_profile': (
        str(CONFIG / 'fastdds.xml'),
        'Fast DDS profile for large images; the environment has precedence, empty is none.',
    ),
    **{p.name: ('', p.sentence) for p in OVERRIDES},
    'autostart': ('true', BY_NAME['autostart'].sentence),
}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments; the rest needs their values."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=sentence)
        for name, (default, sentence) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[Node]:
    """Make the node from the arguments' values."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    namespaces = served(given, context.launch_configurations.get('ros_namespace', ''))
    camera = chosen(given, namespaces)
    return [
        Node(
            package='mm_perception',
            executable='perception_node',
            arguments=[OPTION, given['cameras']] if given['cameras'] else [],
            namespace=given['namespace'],
            remappings=remappings(given, camera),
            parameters=[
                existing('params_file', given['params_file']),
                written({**camera.parameters, **overrides(given)}, namespaces),
            ],
            additional_env=environment(given['dds_profile']),
            ros_arguments=enclave(given['enclave']),
            output='screen',
        )
    ]


def served(given: dict[str, str], around: str = '') -> Sequence[str]:
    """Name the namespace of each node that there will be."""
    inner = given['namespace']
    parts = (inner if inner.startswith('/') else f'{around}/{inner}').split('/')
    root = '/' + '/'.join(part for part in parts if part)
    if not given['cameras']:
        return [root]
    return CommandLine.of([OPTION, given['cameras'], '-r', f'__ns:={root}']).namespaces


def chosen(given: dict[str, str], namespaces: Sequence[str]) -> Camera:
    """Read the presets: what is remapped to what, and the parameters that the drivers want."""
    presets = CONFIG / 'cameras'
    if given['cameras']:
        return load_cameras(given['camera'], namespaces, presets)
    return load_camera(given['camera'], presets) if given['camera'] else Camera({}, {})


def written(values: dict[str, Any], namespaces: Sequence[str]) -> str:
    """Write parameters to a file that has precedence over one that was read before.

    rcl looks through blocks in the order in which their names first came, in whatever file: these
    are therefore both in the one for all nodes and in each node's own.
    """
    names = ['/**', *(f'{namespace.rstrip("/")}/mm_perception' for namespace in namespaces)]
    with tempfile.NamedTemporaryFile(
        'w', prefix='mm_perception_', suffix='.yaml', delete=False, encoding='utf-8'
    ) as file:
        yaml.safe_dump({name: {'ros__parameters': dict(values)} for name in names}, file)
    return file.name


def remappings(given: dict[str, str], camera: Camera) -> list[tuple[str, str]]:
    """Give the camera's topics, and the detector's."""
    found = list(camera.remappings.items())
    return [*found, ('detections', given['detections'])] if given['detections'] else found


def overrides(given: dict[str, str]) -> dict[str, Any]:
    """Check the parameters among the arguments; what is empty is not given."""
    values: dict[str, Any] = {}
    for parameter in OVERRIDES:
        text = given[parameter.name]
        if text:
            is_text = isinstance(parameter.default, str)
            values[parameter.name] = parameter.check(text if is_text else yaml.safe_load(text))
    return values


def enclave(path: str) -> list[str]:
    """Give the node the keys of an enclave; whether they are used, the environment says."""
    return ['--enclave', path] if path else []


def environment(profile: str) -> dict[str, str]:
    """Point Fast DDS at the profile, unless the environment has one of its own."""
    if not profile or any(name in os.environ for name in DDS_VARIABLES):
        return {}
    return dict.fromkeys(DDS_VARIABLES, existing('dds_profile', profile))


def existing(argument: str, path: str) -> str:
    """Refuse a file that is not there: launch and Fast DDS would go on without it."""
    if not Path(path).is_file():
        raise SettingsError(f'{argument} {path}: there is no such file')
    return path
