# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file, run for real where ROS's launch is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from outside import DOMAIN, PATIENCE, Outside, until
from rclpy.parameter_client import AsyncParameterClient

from training.live.environment import live_environment

FILE = Path(__file__).parents[2] / 'launch' / 'rgbd.launch.py'
RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

file, *arguments = sys.argv[1:]
pairs = [tuple(argument.split(':=')) for argument in arguments]
source = PythonLaunchDescriptionSource(file)
service = LaunchService()
included = IncludeLaunchDescription(source, launch_arguments=pairs)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Install no more than launch looks for: the marker and the executable."""
    pytest.importorskip('launch_ros.actions', reason='ROS launch is not installed')
    marker = tmp_path / 'share/ament_index/resource_index/packages/mm_perception'
    executable = tmp_path / 'lib/mm_perception/perception_node'
    for file in (marker, executable):
        file.parent.mkdir(parents=True)
        file.touch()
    executable.write_text(f'#!/bin/sh\nexec {sys.executable} -m mm_perception.node "$@"\n')
    executable.chmod(0o755)
    return tmp_path


def launch(prefix: Path, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
    log = prefix / 'log'
    paths = [str(prefix), os.environ.get('AMENT_PREFIX_PATH', '')]
    environment = live_environment(DOMAIN) | {'AMENT_PREFIX_PATH': os.pathsep.join(paths)}
    with log.open('w') as file:
        command = [sys.executable, '-c', RUN, str(FILE), *arguments]
        # A session of its own, whose Ctrl-C is ours to send.
        process = subprocess.Popen(
            command, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    return process, log


def test_launch_starts_an_active_node_on_the_cameras_topics_and_ends_with_ctrl_c(
    prefix: Path, bundle: Path, everything_outside: Outside
) -> None:
    process, log = launch(prefix, 'camera:=kinect_ros2', f'model:={bundle}', 'namespace:=/launched')
    try:
        until(lambda: 'active on' in log.read_text() or process.poll() is not None, 'the node')
        assert 'active on' in log.read_text(), log.read_text()
        for topic in ('/kinect/image_raw', '/kinect/depth/image_raw', '/kinect/camera_info'):
            until(lambda: everything_outside.node.count_subscribers(topic), topic)  # noqa: B023 - waited for here
        os.killpg(process.pid, signal.SIGINT)
        start = time.monotonic()
        process.wait(PATIENCE)
        assert time.monotonic() - start < 5  # launch escalates to SIGTERM after that
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    text = log.read_text()
    assert 'process has finished cleanly' in text
    assert 'there is no such parameter' not in text


def test_launch_starts_one_process_for_several_cameras(
    prefix: Path, bundle: Path, everything_outside: Outside
) -> None:
    words = ('camera:=kinect_ros2', 'cameras:=front,left', 'namespace:=/fleet')
    process, log = launch(prefix, *words, f'model:={bundle}')
    try:
        until(lambda: log.read_text().count('active on') == 2 or process.poll() is not None, 'both')
        for name in ('front', 'left'):
            assert f'fleet.{name}.mm_perception]: active on' in log.read_text()
            topic = f'/fleet/{name}/kinect/depth/image_raw'
            until(lambda: everything_outside.node.count_subscribers(topic), topic)  # noqa: B023 - waited for here
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)
    assert 'process has finished cleanly' in log.read_text()


@pytest.mark.parametrize('blocks', [('/**', '/left/mm_perception'), ('/left/mm_perception', '/**')])
def test_arguments_have_precedence_over_the_file_whatever_the_order_of_its_blocks(
    prefix: Path, everything_outside: Outside, tmp_path: Path, blocks: tuple[str, ...]
) -> None:
    file = tmp_path / 'own.yaml'
    both = {'slop': 0.02, 'grace': 0.2}
    file.write_text(
        yaml.safe_dump({name: {'ros__parameters': {**both}} for name in blocks}, sort_keys=False)
    )
    words = ('cameras:=left,right', f'params_file:={file}', 'slop:=0.03', 'autostart:=false')
    process, log = launch(prefix, *words)
    node = everything_outside.node
    try:
        client = AsyncParameterClient(node, '/left/mm_perception')
        until(lambda: client.services_are_ready() or process.poll() is not None, 'the node')
        answer = client.get_parameters(['slop', 'grace'])
        until(answer.done, log.read_text())
        result = answer.result()
        assert result is not None
        assert [value.double_value for value in result.values] == [0.03, 0.2]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(PATIENCE)


def test_launch_refuses_a_wrong_argument_in_one_line(prefix: Path) -> None:
    process, log = launch(prefix, 'camera:=kinect3')
    process.wait(PATIENCE)
    assert 'camera kinect3: no such preset; use azure_kinect' in log.read_text()
