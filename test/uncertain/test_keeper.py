# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rosbags.rosbag2 import Reader

from mm_perception.errors import SettingsError
from mm_perception.interface import parameters
from mm_perception.interface.diagnostics import Level
from mm_perception.observation import Modality, Observation, Prediction
from mm_perception.serving.labelled import Labelled, Received
from mm_perception.uncertain.keeper import Keeper

RGB, DEPTH = Modality.RGB, Modality.DEPTH
PATIENCE = 30.0
IMAGE, INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'


class Robot:
    """A keeper whose clock is the test's, and whose messages are their own CDR."""

    def __init__(self, folder: Path | str, **changes: Any) -> None:
        self.now = 100.0
        self.folder = Path(folder)
        self.warnings: list[str] = []
        self.disk = threading.Event()
        self.disk.set()
        self.asked = threading.Event()
        self.count = 0
        defaults = {p.name: p.default for p in parameters.PARAMETERS}
        self.values = {**defaults, 'uncertain_folder': str(folder), **changes}
        self.keeper = Keeper(self.values, self._packed, self.warnings.append, lambda: self.now)
        self.keeper.configure()
        for modality in Modality:
            self.keeper.hears(modality, f'/{modality}/image', f'/{modality}/camera_info')

    def _packed(self, message: str) -> tuple[str, bytes]:
        self.asked.set()
        assert self.disk.wait(PATIENCE)
        return INFO if message.startswith('info') else IMAGE, message.encode()

    def label(
        self, best: float, *modalities: Modality, message: str = '', after: float = 10.0
    ) -> None:
        """Label what these sensors saw, so many seconds after the last."""
        self.now += after
        self.count += 1
        received = {
            m: Received(self.count, f'{m} {message or self.count}', f'info {m}')
            for m in modalities or Modality
        }
        prediction = Prediction(0, 'rgbd', 'mug', {'mug': best, 'bowl': 1 - best})
        self.keeper.consider(Labelled(Observation(0, {}), prediction, 0, 0, None, received))

    def values_of(self) -> dict[str, str]:
        (status,) = self.keeper.statuses()
        return dict(status.values)

    def kept(self, count: int) -> None:
        until(lambda: int(self.values_of()['kept']) >= count)

    def chosen(self) -> int:
        """How many frames were worth keeping, whether there was time to write them or not."""
        values = self.values_of()
        return int(values['kept']) + int(values['dropped'])

    def switch(self, *, on: bool) -> Any:
        return self.keeper.answer(SimpleNamespace(data=on), SimpleNamespace(success=False))


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def contents(folder: Path) -> list[tuple[str, str, int, bytes]]:
    found = []
    for bag in sorted(folder.glob('uncertain_*')):
        with Reader(bag) as reader:
            found += [(c.topic, c.msgtype, at, bytes(data)) for c, at, data in reader.messages()]
    return found


@pytest.fixture
def robot(tmp_path: Path) -> Iterator[Robot]:
    robot = Robot(tmp_path / 'kept')
    yield robot
    robot.disk.set()
    robot.keeper.close(PATIENCE)


def test_an_unsure_frame_is_kept_as_it_came_with_its_camera_info(
    robot: Robot, tmp_path: Path
) -> None:
    robot.label(0.95)
    robot.label(0.6)
    robot.kept(1)
    robot.keeper.close(PATIENCE)
    assert sorted(contents(tmp_path / 'kept')) == [
        ('/depth/camera_info', INFO, 2, b'info depth'),
        ('/depth/image', IMAGE, 2, b'depth 2'),
        ('/rgb/camera_info', INFO, 2, b'info rgb'),
        ('/rgb/image', IMAGE, 2, b'rgb 2'),
    ]


def test_one_odd_object_does_not_fill_the_disk(robot: Robot) -> None:
    for _ in range(40):
        robot.label(0.5, after=0.25)
    until(lambda: robot.chosen() >= 10)
    assert robot.chosen() == 10


def test_a_frame_without_one_of_the_eyes_is_not_kept(robot: Robot) -> None:
    robot.label(0.5, RGB)
    robot.label(0.5, DEPTH)
    robot.label(0.5)
    robot.kept(1)
    assert robot.values_of()['kept'] == '1'


def test_a_slow_disk_costs_frames_and_never_holds_up_a_label(robot: Robot) -> None:
    robot.disk.clear()
    robot.label(0.5)
    until(robot.asked.is_set)
    began = time.monotonic()
    for _ in range(999):
        robot.label(0.5)
    assert time.monotonic() - began < PATIENCE / 2, 'the disk is waited for'
    robot.disk.set()
    robot.kept(2)
    assert robot.values_of()['kept'] == '2', 'more than one frame has waited'
    assert robot.values_of()['dropped'] == '998'


def test_the_service_turns_it_off_and_shows_what_there_is(robot: Robot, tmp_path: Path) -> None:
    robot.label(0.5)
    robot.kept(1)
    assert not contents(tmp_path / 'kept')
    answer = robot.switch(on=False)
    assert answer.success
    until(lambda: len(contents(tmp_path / 'kept')) == 4)
    robot.label(0.5)
    assert 'turned off' in robot.keeper.statuses()[0].message
    answer = robot.switch(on=True)
    assert answer.success
    assert str(tmp_path / 'kept') in answer.message
    robot.label(0.5)
    robot.kept(2)
    assert robot.values_of()['kept'] == '2'


def test_without_a_folder_nothing_is_kept_and_the_service_says_what_to_do() -> None:
    robot = Robot('')
    robot.label(0.5)
    assert not robot.keeper.statuses()
    answer = robot.switch(on=True)
    assert not answer.success
    assert 'uncertain_folder' in answer.message
    assert robot.switch(on=False).success


def test_a_folder_that_vanishes_is_said_and_used_again_when_it_is_back(
    robot: Robot, tmp_path: Path
) -> None:
    folder = tmp_path / 'kept'
    robot.label(0.5)
    robot.kept(1)
    shutil.rmtree(folder)
    robot.label(0.5)
    until(lambda: len(robot.warnings) == 1)
    (status,) = robot.keeper.statuses()
    assert status.level == Level.WARN
    assert str(folder) in status.message
    assert 'make room there, or set another uncertain_folder' in status.message
    folder.mkdir()
    robot.label(0.5, message='again')
    robot.kept(2)
    (status,) = robot.keeper.statuses()
    assert status.level == Level.OK
    robot.keeper.close(PATIENCE)
    assert [data for *_, data in contents(folder) if data.startswith(b'rgb')] == [b'rgb again']


def test_a_frame_larger_than_the_limit_is_said(tmp_path: Path) -> None:
    robot = Robot(tmp_path / 'kept', uncertain_limit=1)
    robot.label(0.5, message='x' * 1_000_000)
    until(lambda: len(robot.warnings) == 1)
    assert 'larger than uncertain_limit' in robot.warnings[0]
    robot.keeper.adjust({**robot.values, 'uncertain_limit': 10})
    robot.label(0.5, message='x' * 1_000_000)
    robot.kept(1)
    robot.keeper.close(PATIENCE)


def test_a_folder_that_cannot_be_written_into_is_refused_at_configure(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    for bad in (tmp_path / 'file', tmp_path / 'file' / 'below', tmp_path / 'no' / 'such'):
        with pytest.raises(SettingsError, match=r'parameter uncertain_folder: .*; name') as refusal:
            Robot(bad)
        assert '\n' not in str(refusal.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / 'disk'
    place.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip('no file system may be mounted here')
    yield place
    subprocess.run(['umount', str(place)], check=True)


@pytest.mark.long
def test_a_full_disk_is_said_and_what_was_kept_is_whole_when_there_is_room_again(
    small_disk: Path,
) -> None:
    (small_disk / 'theirs').write_bytes(bytes(600_000))
    robot = Robot(small_disk / 'kept')
    for number in range(1, 4):  # of 240 KB; there is room for one
        robot.label(0.5, message=f'{number} {"x" * 120_000}')
        until(lambda: int(robot.values_of()['kept']) + len(robot.warnings) >= robot.count)
    assert int(robot.values_of()['kept']) == 1
    assert all('full' in why or 'No space' in why for why in robot.warnings)
    assert robot.keeper.statuses()[0].level == Level.WARN
    (small_disk / 'theirs').unlink()
    robot.label(0.5, message='4')
    robot.kept(2)
    assert robot.keeper.statuses()[0].level == Level.OK
    robot.keeper.close(PATIENCE)
    numbers = [
        data.split()[1] for topic, *_, data in contents(robot.folder) if topic == '/rgb/image'
    ]
    assert numbers == [b'1', b'4']
