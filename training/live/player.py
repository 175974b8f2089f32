# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a recording to ROS as its camera sent it, on machines that have no ``ros2 bag`` too.

    python -m training.live.player BAG --lose depth 6 10 --lose rgb 14 18

A sensor that is lost sends nothing, as a camera that is unplugged. What was published when is
written to standard output, a line of JSON each (`training.live.events`). Large images need the
Fast DDS profile ``config/fastdds.xml`` in the environment of the player as of who listens.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import String

from mm_perception.errors import MMPerceptionError, RecordingError, SettingsError
from mm_perception.health import NS
from mm_perception.images import stamp_of
from mm_perception.observation import Modality
from training.live.camera import Camera, open_recording
from training.live.events import Ended, Event, Lost, Published, Ready, write_event
from training.live.losses import Loss, is_silent
from training.live.translation import fill_message
from training.recordings.bags import STRING, Recording
from training.recordings.storage import Received, open_storage
from training.recordings.topics import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE

TYPES = {IMAGE: Image, COMPRESSED_IMAGE: CompressedImage, CAMERA_INFO: CameraInfo, STRING: String}
"""The types that are played."""

_SAME_CLOCK = 10 * NS  # stamps further than this from their receipt are of a clock of their own
_LAST_WORDS = 0.3  # seconds that the last messages have to leave before the publishers go
_POLL = 0.02  # seconds between two looks at whether everybody listens


@dataclass(frozen=True)
class PlaySettings:
    """How a recording is played.

    Attributes:
        rate: This many times as fast as it was recorded.
        loop: Again and again.
        restamp: Move the stamps to the time of playing, their distances kept; else they stay.
        losses: When a sensor is silent, in seconds of the recording, in each round.
        wait: Seconds to wait until somebody listens to every image.

    """

    rate: float = 1.0
    loop: bool = False
    restamp: bool = True
    losses: Sequence[Loss] = ()
    wait: float = 0.0

    def __post_init__(self) -> None:
        if not 0.01 <= self.rate <= 100:  # noqa: PLR2004 - stated in the message
            raise SettingsError(f'rate: {self.rate:g} is refused; use a number from 0.01 to 100')


@dataclass
class _Clock:
    """Tells when what was recorded at a time is to be played.

    Attributes:
        origin: When the round began, in ns of the machine's clock.
        start: The recording's first moment in ns.
        rate: How many times as fast.
        skew: What to add to the recording's stamps to have them in the recorder's clock.

    """

    origin: int
    start: int
    rate: float
    skew: int = 0

    def due(self, recorded: int) -> int:
        return self.origin + round((recorded - self.start) / self.rate)

    def stamp(self, stamp: int) -> int:
        return self.due(stamp + self.skew)


@dataclass
class Player:
    """Publishes a recording's images, camera_info and texts on the topics they were recorded from.

    Attributes:
        node: The ROS node to publish with.
        recording: What to play.
        camera: Which sensor each topic comes from.
        settings: How.
        tell: Takes every event.

    """

    node: Node
    recording: Recording
    camera: Camera
    settings: PlaySettings
    tell: Callable[[Event], None]
    _publishers: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    _silent: set[Modality] = field(default_factory=set)

    def __post_init__(self) -> None:
        for loss in self.settings.losses:
            if loss.modality not in self.camera.images:
                raise SettingsError(
                    f'lose {loss.modality}: {self.recording.path} holds no {loss.modality} images'
                )
        for name in self.recording.topics_of(*TYPES):
            if not _is_topic_name(name):
                if name in self.camera.images.values():
                    raise RecordingError(f'{name}: ROS 2 allows no such topic; rename it')
                self.node.get_logger().warning(f'{name}: not played: ROS 2 allows no such name')
                continue
            kind = TYPES[self.recording.topics[name].msgtype]
            publisher = self.node.create_publisher(kind, name, _qos(kind))
            self._publishers[name] = publisher, kind()

    def play(self) -> None:
        """Play everything, at its time."""
        self._wait()
        self.tell(Ready(wall=time.time_ns()))
        origin, lasts = time.time_ns(), self._lasts()
        for around in itertools.count() if self.settings.loop else range(1):
            self._play_once(origin + around * lasts)
        time.sleep(_LAST_WORDS)
        self.tell(Ended(wall=time.time_ns()))

    def _wait(self) -> None:
        images = [self._publishers[name][0] for name in self.camera.images.values()]
        end = time.monotonic() + self.settings.wait
        while time.monotonic() < end:
            if all(publisher.get_subscription_count() for publisher in images):
                break
            time.sleep(_POLL)

    def _lasts(self) -> int:
        """How long a round lasts, in ns: to when the next image would have come."""
        recorded = self.recording.end - self.recording.start
        images = max(self.recording.topics[name].count for name in self.camera.images.values())
        return round(recorded * images / max(images - 1, 1) / self.settings.rate)

    def _play_once(self, origin: int) -> None:
        clock = _Clock(origin, self.recording.start, self.settings.rate)
        with open_storage(self.recording.files) as storage:
            first = True
            for received in storage.messages(list(self._publishers)):
                sender = self.camera.senders.get(received.topic)
                if is_silent(self.settings.losses, sender, received.time - self.recording.start):
                    self._lose(sender)
                    continue
                source = received.read()
                if first and (skew := _skew(received, source)) is not None:
                    first, clock.skew = False, skew
                self._publish(received, source, clock)

    def _lose(self, sender: Modality | None) -> None:
        if sender is not None and sender not in self._silent:
            self._silent.add(sender)
            self.tell(Lost(wall=time.time_ns(), modality=sender))

    def _publish(self, received: Received, source: Any, clock: _Clock) -> None:
        publisher, message = self._publishers[received.topic]
        fill_message(message, source)
        stamp = stamp_of(message) if hasattr(message, 'header') else 0
        if stamp and self.settings.restamp:
            stamp = clock.stamp(stamp)
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, NS)
        due = clock.due(received.time)
        time.sleep(max(0, due - time.time_ns()) / NS)
        wall = time.time_ns()
        publisher.publish(message)
        sender = self.camera.senders.get(received.topic)
        if sender is None or self.camera.images[sender] != received.topic:
            return
        self._silent.discard(sender)
        bag_time = received.time - self.recording.start
        late = max(0, wall - due) / 1e6
        self.tell(
            Published(wall=wall, modality=sender, stamp=stamp, bag_time=bag_time, late_ms=late)
        )


def _qos(kind: type) -> QoSProfile:
    """Reliable, which suits every subscription; a text stays for those who come later."""
    durability = DurabilityPolicy.TRANSIENT_LOCAL if kind is String else DurabilityPolicy.VOLATILE
    return QoSProfile(depth=2, reliability=ReliabilityPolicy.RELIABLE, durability=durability)


def _is_topic_name(name: str) -> bool:
    """Whether ROS 2 allows it; ROS 1 allowed more."""
    try:
        validate_topic_name(name)
    except InvalidTopicNameException:
        return False
    return True


def _skew(received: Received, source: Any) -> int | None:
    """How far the stamps' clock is behind the recorder's, if it is another; None: no stamp yet."""
    stamp = stamp_of(source) if hasattr(source, 'header') else 0
    if not stamp:
        return None
    behind = received.time - stamp
    return behind if abs(behind) > _SAME_CLOCK else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m training.live.player',
        description='Play a recording to ROS as its camera sent it.',
        epilog='ROS arguments follow --ros-args: --ros-args -r /camera/rgb/image_raw:=/rgb/image',
    )
    parser.add_argument('bag', type=Path, help='rosbag2 folder, .mcap, .db3 or .bag file')
    parser.add_argument(
        '--lose',
        nargs=3,
        action='append',
        default=[],
        metavar=('SENSOR', 'START', 'END'),
        help='keep rgb or depth back from START to END, in seconds of the recording; repeatable',
    )
    parser.add_argument('--loop', action='store_true', help='play again and again')
    parser.add_argument(
        '--rate', type=float, default=1.0, help='this many times as fast (default: 1)'
    )
    parser.add_argument(
        '--stamps',
        choices=('now', 'bag'),
        default='now',
        help='move the stamps to the time of playing, or keep those of the bag (default: now)',
    )
    parser.add_argument(
        '--wait',
        type=float,
        default=0.0,
        metavar='SECONDS',
        help='wait until somebody listens to every image, so long at most (default: 0)',
    )
    parser.add_argument('--rgb-topic', help='the colour topic, where the bag has several')
    parser.add_argument('--depth-topic', help='the depth topic, where the bag has several')
    return parser


def _play(arguments: argparse.Namespace) -> None:
    settings = PlaySettings(
        rate=arguments.rate,
        loop=arguments.loop,
        restamp=arguments.stamps == 'now',
        losses=[Loss.parse(words) for words in arguments.lose],
        wait=arguments.wait,
    )
    recording = open_recording(arguments.bag)
    camera = Camera.of(recording, arguments.rgb_topic, arguments.depth_topic)
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        player = Player(rclpy.create_node('player'), recording, camera, settings, _tell)
        player.play()
    finally:
        rclpy.try_shutdown()


def _tell(event: Event) -> None:
    print(write_event(event), flush=True)  # noqa: T201 - these lines are what it is started for


def main(argv: Sequence[str] | None = None) -> int:
    """Play as the command line says.

    Returns:
        The exit code: 2 when something given is refused, with one line that says what.

    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have had SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    words = remove_ros_args(sys.argv)[1:] if argv is None else list(argv)
    try:
        _play(_parser().parse_args(words))
    except MMPerceptionError as error:
        print(f'player: {error}', file=sys.stderr)  # noqa: T201 - for whoever started it
        return 2
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    return 0


if __name__ == '__main__':
    sys.exit(main())
