# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The player as a process of its own, heard over DDS."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import playable
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String

from mm_perception.images import frame_from_message, stamp_of
from mm_perception.observation import Modality
from training.live.environment import live_environment, private_domain
from training.live.events import Ended, Event, Lost, Published, Ready, read_event
from training.recordings.bags import find_recordings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

RGB, DEPTH = Modality.RGB, Modality.DEPTH
RATE, SECONDS = 20, 2.0
COUNT = round(RATE * SECONDS)
DOMAIN = private_domain()
TYPES = {
    playable.RGB: Image,
    playable.DEPTH: Image,
    playable.INFOS[0]: CameraInfo,
    playable.INFOS[1]: CameraInfo,
    playable.TRUTH: String,
}


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('player') / 'mug_1'
    return playable.write_playable(path, SECONDS, RATE, shown=('bowl', 'cap'))


class Ear:
    """Hears every topic of the bag, as a best-effort camera subscriber does."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self._context = Context()
        rclpy.init(context=self._context, domain_id=DOMAIN)
        self._node = rclpy.create_node('ear', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        for topic, kind in TYPES.items():
            self._node.create_subscription(kind, topic, self.heard[topic].append, qos)

    def listen(self, until: subprocess.Popen[str], patience: float = 30) -> None:
        """Listen for as long as the process lives."""
        end = time.monotonic() + patience
        while until.poll() is None and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.1)
        assert until.poll() is not None, 'the player does not end'

    def close(self) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ear]:
    for name in ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        monkeypatch.setenv(name, live_environment(DOMAIN)[name])
    hearing = Ear()
    yield hearing
    hearing.close()


def start(bag: Path, *arguments: str, error: int | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, '-m', 'training.live.player', str(bag), *arguments]
    return subprocess.Popen(
        command, env=live_environment(DOMAIN), stdout=subprocess.PIPE, stderr=error, text=True
    )


def told(process: subprocess.Popen[str]) -> list[Event]:
    assert process.stdout is not None
    return [read_event(line) for line in process.stdout]


def published(events: Sequence[Event], modality: Modality) -> list[Published]:
    return [e for e in events if isinstance(e, Published) and e.modality is modality]


def test_player_publishes_every_image_in_real_time_with_stamps_of_now(bag: Path, ear: Ear) -> None:
    before = time.time_ns()
    process = start(bag, '--wait', '10')
    ear.listen(process)
    events = told(process)
    assert (process.returncode, type(events[0]), type(events[-1])) == (0, Ready, Ended)
    recorded = list(find_recordings([bag])[0].observations())
    for modality, topic in ((RGB, playable.RGB), (DEPTH, playable.DEPTH)):
        sent = published(events, modality)
        assert len(sent) == COUNT
        heard = ear.heard[topic]
        # Some may be lost before the connection stands in both directions, none after.
        assert len(heard) >= COUNT - 4
        assert [stamp_of(m) for m in heard] == [f.stamp for f in sent][-len(heard) :]
        for message, observation in zip(reversed(heard), reversed(recorded), strict=False):
            frame = frame_from_message(message, modality)
            np.testing.assert_array_equal(frame.image, observation.frames[modality].image)
        # The stamps keep their distances and lie where the recorder had them, before the receipt.
        steps = {b.stamp - a.stamp for a, b in itertools.pairwise(sent)}
        assert steps == {10**9 // RATE}
        assert sent[0].stamp >= before
        span = (sent[-1].wall - sent[0].wall) / 1e9
        # A player never runs ahead; on a busy machine it runs behind, and says so.
        late = max(frame.late_ms for frame in sent) / 1e3
        assert (COUNT - 1) / RATE - late <= span + 1e-3
        assert span <= (COUNT - 1) / RATE + late + 1e-3
        assert all(abs(f.wall - f.late_ms * 1e6 - f.stamp - _delay(modality)) < 1e6 for f in sent)
    assert [m.data for m in ear.heard[playable.TRUTH]][-1] == 'cap'
    info = ear.heard[playable.INFOS[1]][-1]
    assert (info.width, info.height, list(info.k[:3])) == (80, 60, [80, 0, 40])


def _delay(modality: Modality) -> int:
    return playable.DELAY + (5_000_000 if modality is DEPTH else 0)


def test_lost_sensor_sends_neither_images_nor_camera_info(bag: Path, ear: Ear) -> None:
    process = start(
        bag, '--wait', '10', '--lose', 'depth', '0.5', '1.0', '--lose', 'rgb', '1.5', '9'
    )
    ear.listen(process)
    events = told(process)
    assert [e.modality for e in events if isinstance(e, Lost)] == [DEPTH, RGB]
    times = {m: [f.bag_time / 1e9 for f in published(events, m)] for m in Modality}
    assert not [t for t in times[DEPTH] if 0.5 <= t < 1.0]
    assert not [t for t in times[RGB] if t >= 1.5]
    assert len(times[DEPTH]) == COUNT - round(0.5 * RATE)
    assert len(times[RGB]) == COUNT - round(0.5 * RATE)
    for modality, image, info in zip(
        Modality, (playable.RGB, playable.DEPTH), playable.INFOS, strict=True
    ):
        stamps = {frame.stamp for frame in published(events, modality)}
        assert {stamp_of(m) for m in ear.heard[image]} <= stamps
        assert {stamp_of(m) for m in ear.heard[info]} <= stamps
        assert len(ear.heard[image]) >= len(stamps) - 4
    # A lost sensor's text goes on: the object is still there.
    assert ear.heard[playable.TRUTH][-1].data == 'cap'


def test_stamps_of_the_bag_are_kept_and_rate_shortens_the_playing(bag: Path) -> None:
    process = start(bag, '--stamps', 'bag', '--rate', '4')
    process.wait(30)
    sent = published(told(process), RGB)
    first = playable.START - playable.DELAY
    assert [f.stamp for f in sent] == [first + i * 10**9 // RATE for i in range(COUNT)]
    span = (sent[-1].wall - sent[0].wall) / 1e9
    late = max(frame.late_ms for frame in sent) / 1e3
    assert span == pytest.approx((COUNT - 1) / RATE / 4, abs=late + 1e-3)


def test_loop_goes_round_with_stamps_that_advance_until_it_is_stopped(bag: Path) -> None:
    process = start(bag, '--loop', '--rate', '4')
    assert process.stdout is not None
    sent: list[Published] = []
    while len(sent) < COUNT + 5:
        event = read_event(process.stdout.readline())
        if isinstance(event, Published) and event.modality is RGB:
            sent.append(event)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    process.stdout.close()
    assert sent[COUNT].bag_time == sent[0].bag_time
    steps = {b.stamp - a.stamp for a, b in itertools.pairwise(sent)}
    # A period played four times as fast. The last depth image, 5 ms after its colour image, makes
    # the recording longer, and the step to the next round with it.
    assert max(abs(step - 10**9 / RATE / 4) for step in steps) <= 6_000_000 / 4


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--lose', 'depth', '6', '2'], 'lose depth 6 2'),
        (['--lose', 'sonar', '1', '2'], 'rgb or depth'),
        (['--rate', '0'], 'rate: 0'),
        (['--rgb-topic', '/nowhere'], 'no images on /nowhere'),
    ],
)
def test_wrong_argument_is_refused_in_one_line(
    bag: Path, arguments: list[str], expected: str
) -> None:
    process = start(bag, *arguments, error=subprocess.PIPE)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 2
    assert expected in error
    assert error.count('\n') == 1


def test_missing_bag_is_refused_in_one_line(tmp_path: Path) -> None:
    process = start(tmp_path / 'nothing', error=subprocess.PIPE)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error.count('\n')) == (2, 1)
    assert str(tmp_path / 'nothing') in error


def test_real_ros1_recording_is_played_with_stamps_of_now(
    shared_data: Path,
) -> None:
    """Its stamps are of the camera's own clock, six minutes after it was switched on."""
    before = time.time_ns()
    process = start(shared_data / 'bags', '--rate', '10')
    process.wait(60)
    events = told(process)
    assert process.returncode == 0
    sent = [event for event in events if isinstance(event, Published)]
    assert {frame.modality for frame in sent} == {RGB, DEPTH}
    assert all(abs(f.stamp - f.wall) < 5e9 for f in sent)
    assert sent[0].stamp > before - 5e9
