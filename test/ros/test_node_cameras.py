# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Two cameras before one process: what happens to one of them is not the other's affair."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from outside import DEPTH, RGB, Hands, NodeProcess, Outside, Said, until
from street import Street
from test_node_lifecycle import signals_restored

from mm_perception.interface.process import run
from mm_perception.node import PerceptionNode

NAMES = ('/pair/front', '/pair/arm/left')


@dataclass
class Side:
    """A camera, and the node that it is before."""

    name: str
    street: Street
    hands: Hands

    def labels(self, mode: str, count: int = 3) -> list[Said]:
        """Wait for labels of a mode from now on."""
        start = time.time_ns()

        def since() -> list[Said]:
            return [s for s in list(self.street.said) if s.at >= start and s.mode == mode]

        until(lambda: len(since()) >= count, f'{count} labels of {mode} from {self.name}')
        return since()

    def modes(self, since: int) -> set[str]:
        return {said.mode for said in list(self.street.said) if said.at >= since}


@pytest.fixture(scope='module')
def process(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[NodeProcess]:
    folder = tmp_path_factory.mktemp('cameras')
    file = folder / 'parameters.yaml'
    file.write_text(
        f'/**:\n  ros__parameters: {{model: {bundle}, autostart: true}}\n'
        '/pair/arm/left/mm_perception:\n  ros__parameters: {slop: 0.03}\n'
    )
    process = NodeProcess(
        folder / 'log',
        *('--params-file', str(file), '--', '--cameras', 'front,arm/left'),
        namespace='/pair',
    )
    yield process
    try:
        code, took = process.end()
    finally:
        process.kill()
    assert code == 0, process.text()
    assert took < 10
    assert not process.lines('ERROR')
    assert process.text().count(f'classes from {bundle}') == 3  # once more after the clean-up


@pytest.fixture
def sides(process: NodeProcess, everything_outside: Outside) -> Iterator[tuple[Side, Side]]:
    front, left = (Street(everything_outside, name) for name in NAMES)
    with front, left:
        made = [
            Side(name, street, Hands(everything_outside.node, f'{name}/mm_perception'))
            for name, street in zip(NAMES, (front, left), strict=True)
        ]
        for side in made:
            side.labels('rgbd')
        yield made[0], made[1]
    assert process.process.poll() is None, process.text()


def test_a_camera_that_loses_a_sensor_leaves_the_other_as_it_is(
    sides: tuple[Side, Side], everything_outside: Outside
) -> None:
    front, left = sides
    since = time.time_ns()
    lost = front.street.camera.only(RGB)
    (first, *_) = front.labels('rgb')
    assert first.at - lost < 2e9
    both = left.labels('rgbd')
    assert left.modes(since) == {'rgbd'}
    assert {frame for said in both for frame in said.values if frame.endswith('_stamp')} == {
        *('rgb_stamp', 'depth_stamp')
    }
    named = f'{front.name}/mm_perception: depth'
    everything_outside.report(named, lambda s: s.level > b'\0', 'lost')
    named = f'{left.name}/mm_perception: depth'
    everything_outside.report(named, lambda s: s.level == b'\0', 'as it was')
    front.street.camera.only(RGB, DEPTH)
    front.labels('rgbd')


def test_each_camera_has_its_own_lifecycle_and_parameters(sides: tuple[Side, Side]) -> None:
    front, left = sides
    assert front.hands.transit('deactivate')
    until(lambda: front.hands.state() == 'inactive', 'inactive')
    quiet = len(front.street.said)
    left.labels('rgbd')
    assert front.hands.transit('cleanup')
    assert front.hands.set(device='cpu')[0]  # what only an unconfigured node can be told
    assert not left.hands.set(device='cpu')[0]
    assert left.hands.set(slop=0.03)[0]
    left.labels('rgbd')
    assert len(front.street.said) == quiet
    front.hands.bring_to('active')
    front.labels('rgbd')
    left.labels('rgbd')
    assert front.hands.transit('deactivate')
    assert left.hands.transit('deactivate')
    left.hands.bring_to('active')
    left.labels('rgbd')
    front.hands.bring_to('active')


def test_cameras_that_cannot_be_told_apart_are_refused_in_one_line_with_exit_code_2(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with signals_restored():
        assert run(PerceptionNode, ['node', '--cameras', 'front,front']) == 2
    assert capfd.readouterr().err == (
        'mm_perception: --cameras front,front: is refused; give each camera a name of its own, '
        'of letters, digits and _, such as front,left\n'
    )


def test_a_parameter_that_one_camera_is_refused_is_named_and_the_process_ends(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / 'parameters.yaml'
    file.write_text('/left/mm_perception:\n  ros__parameters: {slop: 9.0}\n')
    words = ['node', '--cameras', 'front,left', '--ros-args', '--params-file', str(file)]
    with signals_restored():
        assert run(PerceptionNode, words) == 2
    assert 'mm_perception: parameter slop: 9.0 is refused' in capfd.readouterr().err
