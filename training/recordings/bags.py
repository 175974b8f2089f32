# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: rosbag2 folders and files, ROS 1 bags, read as the robot would have seen them.

A recording's images pass through the same decoding, the same health checks and the same pairing as
on the robot, with the times at which the recorder received them as the clock.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from mm_perception.depth.registration import Intrinsics
from mm_perception.errors import ImageError, RecordingError, SettingsError
from mm_perception.health import NS, HealthSettings, SensorHealth
from mm_perception.images import frame_from_message, stamp_of
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.pairing import Pairing, PairingSettings
from training.recordings.finding import Place, locate, unique_names
from training.recordings.storage import Received, Storage, Topic, open_storage
from training.recordings.topics import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    ImageTopic,
    camera_of,
    choose_topic,
    unregistered,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

STRING = 'std_msgs/msg/String'

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """One bag.

    Attributes:
        name: Unique among the recordings found together: the folder's or file's name without
            suffix; where two have the same, with the folder that holds them (``monday/run_1``).
        path: The rosbag2 folder or the file.
        root: What the user named to have it found: the recording itself or a folder above it.
        files: Its storage files.
        start: Receive time of the first message in ns.
        end: Receive time of the last message in ns.
        topics: Every topic that holds a message, by name.

    """

    name: str
    path: Path
    root: Path
    files: tuple[Path, ...]
    start: int
    end: int
    topics: Mapping[str, Topic]

    @property
    def duration(self) -> float:
        """Seconds from the first message to the last."""
        return (self.end - self.start) / NS

    def observations(
        self,
        *,
        rgb_topic: str | None = None,
        depth_topic: str | None = None,
        every: int = 1,
        slop: float = PairingSettings.slop,
        modalities: Collection[Modality] = tuple(Modality),
        health: HealthSettings | None = None,
    ) -> Iterator[Observation]:
        """Stream what the robot would have seen; see `received_observations`."""
        received = self.received_observations(
            rgb_topic=rgb_topic,
            depth_topic=depth_topic,
            every=every,
            slop=slop,
            modalities=modalities,
            health=health,
        )
        return (observation for _, observation in received)

    def received_observations(
        self,
        *,
        rgb_topic: str | None = None,
        depth_topic: str | None = None,
        every: int = 1,
        slop: float = PairingSettings.slop,
        modalities: Collection[Modality] = tuple(Modality),
        health: HealthSettings | None = None,
    ) -> Iterator[tuple[int, Observation]]:
        """Stream what the robot would have seen, with the time at which it came.

        Args:
            rgb_topic: The colour topic; None finds it (see `training.recordings.topics`).
            depth_topic: The depth topic, likewise.
            every: Yield every how many-th observation.
            slop: The greatest distance in seconds between the stamps of a pair.
            modalities: What the recording must hold; only these are read.
            health: What makes a sensor unusable; the robot's defaults if None.

        Yields:
            Receive time of the observation's newest frame in ns, and the observation.

        Raises:
            RecordingError: A modality's topic is missing or ambiguous, or a message cannot be read.
            SettingsError: ``every`` is less than 1.

        """
        if every < 1:
            raise SettingsError(f'every: {every} is not allowed; 1 or more')
        wanted = {Modality.RGB: rgb_topic, Modality.DEPTH: depth_topic}
        sensors = {m: SensorHealth(m, health, live=False) for m in Modality if m in modalities}
        pairing = Pairing(PairingSettings(slop), sensors)
        with open_storage(self.files) as storage:
            chosen = self.choose_topics(storage, {m: wanted[m] for m in sensors})
            cameras = self._cameras(storage)
            modes: Counter[str] = Counter()
            frames = self._frames(storage, chosen, cameras)
            for received, observation in _without_halves(_replay(frames, pairing)):
                if modes.total() % every == 0:
                    yield received, observation
                modes[observation.mode] += 1
        self._report(modes, pairing, slop)

    def strings(self, topic: str) -> list[tuple[int, str]]:
        """Read a std_msgs/String topic: receive time in ns and text of each message.

        Raises:
            RecordingError: The topic is not there or is of another type, or cannot be read.

        """
        if self.topics.get(topic, Topic('', 0)).msgtype != STRING:
            there = self.topics_of(STRING)
            raise RecordingError(
                f'{self.path}: no std_msgs/String on {topic}; '
                f'such topics: {", ".join(there) or "none"}'
            )
        with open_storage(self.files) as storage:
            return [(message.time, message.read().data) for message in storage.messages([topic])]

    def topics_of(self, *msgtypes: str) -> list[str]:
        """The names of all topics of these types, sorted."""
        return sorted(name for name, topic in self.topics.items() if topic.msgtype in msgtypes)

    def is_copy_of(self, other: Recording) -> bool:
        """Whether another bag holds the same, as its times, topics and first images tell.

        Raises:
            RecordingError: One of them cannot be read.

        """
        outside, other_outside = ((r.start, r.end, r.topics) for r in (self, other))
        # Times may be a simulation's, and the same in each of its bags.
        return outside == other_outside and self._first_images() == other._first_images()

    def image_topics(self, storage: Storage) -> list[ImageTopic]:
        """Describe every topic that holds images.

        Raises:
            RecordingError: There is none, or its first message cannot be read.

        """
        firsts = _first_messages(storage, self.topics_of(IMAGE, COMPRESSED_IMAGE))
        images = [ImageTopic.of(message.topic, message.read()) for message in firsts]
        if not images:
            raise RecordingError(
                f'{self.path}: no images; topics: {", ".join(sorted(self.topics)) or "none"}'
            )
        return images

    def choose_topics(
        self, storage: Storage, wanted: Mapping[Modality, str | None]
    ) -> dict[str, Modality]:
        """Find the topic of each modality that is wanted, by the name given or by itself.

        Raises:
            RecordingError: One is missing or ambiguous.

        """
        images = self.image_topics(storage)
        chosen = {m: choose_topic(self.path, images, m, topic) for m, topic in wanted.items()}
        if len({image.name for image in chosen.values()}) < len(chosen):
            raise RecordingError(f'{self.path}: one topic is named for both modalities')
        if len(chosen) == len(Modality):
            cameras = self._cameras(storage)
            self._warn_of_registration(chosen[Modality.RGB], chosen[Modality.DEPTH], cameras)
        return {image.name: modality for modality, image in chosen.items()}

    def _warn_of_registration(
        self, rgb: ImageTopic, depth: ImageTopic, cameras: Mapping[str, Intrinsics]
    ) -> None:
        reason = unregistered(rgb, depth, cameras)
        if reason is not None:
            _LOGGER.warning(
                '%s: %s is not registered to %s: %s; the same place in both images shows '
                'different things. Record the registered depth topic',
                *(self.path, depth.name, rgb.name, reason),
            )

    def camera_info(self, storage: Storage, image_topic: str) -> Any | None:
        """Give the first CameraInfo of the camera that an image topic is of; None without one.

        Raises:
            RecordingError: One cannot be read.

        """
        return camera_of(image_topic, self._camera_infos(storage))

    def _cameras(self, storage: Storage) -> dict[str, Intrinsics]:
        infos = self._camera_infos(storage)
        return {topic: Intrinsics.of(info) for topic, info in infos.items()}

    def _camera_infos(self, storage: Storage) -> dict[str, Any]:
        firsts = _first_messages(storage, self.topics_of(CAMERA_INFO))
        return {message.topic: message.read() for message in firsts}

    def _first_images(self) -> list[bytes]:
        with open_storage(self.files) as storage:
            firsts = _first_messages(storage, self.topics_of(IMAGE, COMPRESSED_IMAGE))
            return [bytes(message.as_ros2()) for message in firsts]

    def _frames(
        self,
        storage: Storage,
        modalities: Mapping[str, Modality],
        cameras: Mapping[str, Intrinsics],
    ) -> Iterator[tuple[int, Frame]]:
        camera = {topic: camera_of(topic, cameras) for topic in modalities}
        for message in storage.messages(modalities):
            image = message.read()
            try:
                # Some drivers leave the stamp 0; then the time of receipt stands in for it.
                stamp = stamp_of(image) or message.time
                frame = frame_from_message(image, modalities[message.topic], stamp)
                yield message.time, replace(frame, camera=camera[message.topic])
            except ImageError as error:
                at = (message.time - self.start) / NS
                raise RecordingError(
                    f'{self.path}: {message.topic} at {at:.3f} s: {error}'
                ) from error

    def _report(self, modes: Counter[str], pairing: Pairing, slop: float) -> None:
        if not modes:
            faults = {m: s.status(self.end).reason for m, s in pairing.sensors.items()}
            why = '; '.join(f'{modality}: {reason}' for modality, reason in faults.items())
            _LOGGER.warning(
                '%s: not one observation came of it (%s; slop %s s)', self.path, why, slop
            )
        elif len(pairing.sensors) > 1 and not modes['rgbd']:
            apart = '' if pairing.apart is None else f': they lie {pairing.apart:.3f} s apart'
            _LOGGER.warning(
                '%s: no RGB and depth stamps within a slop of %s s%s', self.path, slop, apart
            )


def find_recordings(paths: Iterable[Path]) -> list[Recording]:
    """Find the recordings that these paths are or hold.

    A folder with storage files of one recording is a rosbag2 folder, also without its
    ``metadata.yaml``; any other folder is looked through, hidden ones aside.

    Args:
        paths: Bags, or folders of bags at any depth.

    Returns:
        The recordings, sorted by name.

    Raises:
        RecordingError: A path is missing or holds no recording, a recording cannot be opened or
            holds no message, or two cannot be told apart by name.

    """
    roots: dict[Path, Path] = {}
    places: dict[Path, Place] = {}
    for root in map(Path, paths):
        here = list(locate(root))
        if not here:
            raise RecordingError(
                f'{root}: no recording there; expected rosbag2 folders, .mcap, .db3 or .bag files'
            )
        for place in here:
            places.setdefault(place.path.resolve(), place)
            roots.setdefault(place.path.resolve(), root)
    names = unique_names([place.path for place in places.values()])
    recordings = [_open(names[p.path], p, roots[key]) for key, p in places.items()]
    return sorted(recordings, key=lambda recording: recording.name)


def _open(name: str, place: Place, root: Path) -> Recording:
    with open_storage(place.files) as storage:
        for note in storage.notes:
            _LOGGER.warning('%s', note)
        if not storage.topics:
            raise RecordingError(f'{place.path}: it holds no message; leave it out')
        return Recording(
            name, place.path, root, place.files, storage.start, storage.end, storage.topics
        )


def _first_messages(storage: Storage, topics: Iterable[str]) -> list[Received]:
    firsts = (next(iter(storage.messages([topic])), None) for topic in topics)
    return [message for message in firsts if message is not None]


def _replay(
    frames: Iterable[tuple[int, Frame]], pairing: Pairing
) -> Iterator[tuple[int, Observation]]:
    """Feed the frames to the pairing as a node would: at their time, with a timer in between.

    Frames that still wait for a partner when the recording ends are not let out: the end of a
    recording is no sensor's failure.
    """
    received: WeakKeyDictionary[Frame, int] = WeakKeyDictionary()
    now = 0
    for time, frame in frames:
        received[frame] = time
        before, now = now, time
        due = _due(pairing, before, now) if before else []
        steps = [pairing.poll(deadline) for deadline in due]
        for observation in (*steps, pairing.add(frame, now)):
            if observation is not None:
                newest = max(received[frame] for frame in observation.frames.values())
                yield newest, observation


def _without_halves(
    replayed: Iterable[tuple[int, Observation]],
) -> Iterator[tuple[int, Observation]]:
    """Leave out a single that the next observation has, too, with its partner.

    After a gap the robot labels the first frame at once, without knowing that the other sensor is
    back as well. In a bag of moments with gaps in between that would be every moment, seen twice.
    """
    held: tuple[int, Observation] | None = None
    for each in replayed:
        if held is not None and not set(held[1].frames.values()) < set(each[1].frames.values()):
            yield held
        held = each
    if held is not None:
        yield held


def _due(pairing: Pairing, before: int, now: int) -> list[int]:
    """The moments just after a sensor's deadline, between two messages."""
    deadlines = {sensor.deadline(before) + 1 for sensor in pairing.sensors.values()}
    return sorted(deadline for deadline in deadlines if before < deadline < now)
