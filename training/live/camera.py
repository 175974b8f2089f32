# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which of a recording's topics come from which of the camera's eyes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mm_perception.errors import RecordingError
from mm_perception.observation import Modality
from training.recordings.bags import Recording, find_recordings
from training.recordings.storage import open_storage
from training.recordings.topics import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    ImageTopic,
    choose_topic,
)


@dataclass(frozen=True)
class Camera:
    """The camera that a recording was made with.

    Attributes:
        images: The image topic of each eye that the recording holds.
        infos: The camera_info topic of each eye that has one of its own.
        senders: The eye that each image and camera_info topic comes from; one that comes from
            both, or from neither, is left out.

    """

    images: Mapping[Modality, str]
    infos: Mapping[Modality, str]
    senders: Mapping[str, Modality]

    @classmethod
    def of(
        cls, recording: Recording, rgb_topic: str | None = None, depth_topic: str | None = None
    ) -> Camera:
        """Find the topics as training does.

        Raises:
            RecordingError: There is no image, a named topic is not there, or several could be it.

        """
        topics = _image_topics(recording)
        if not topics:
            raise RecordingError(
                f'{recording.path}: no images; topics: {", ".join(sorted(recording.topics))}'
            )
        named = {Modality.RGB: rgb_topic, Modality.DEPTH: depth_topic}
        there = {topic.modality for topic in topics}
        wanted = {m: name for m, name in named.items() if name is not None or m in there}
        images = {
            m: choose_topic(recording.path, topics, m, name).name for m, name in wanted.items()
        }
        senders = {topic.name: topic.modality for topic in topics}
        senders |= {name: modality for modality, name in images.items()}
        about = _info_senders(recording, senders)
        infos = {m: _nearest(images[m], [t for t in about if about[t] is m]) for m in images}
        return cls(images, {m: t for m, t in infos.items() if t is not None}, senders | about)


def open_recording(path: Path) -> Recording:
    """Open the one recording that a path is or holds.

    Raises:
        RecordingError: It holds none, or several.

    """
    recordings = find_recordings([path])
    if len(recordings) > 1:
        raise RecordingError(
            f'{path}: holds {len(recordings)} recordings; name one, such as {recordings[0].path}'
        )
    return recordings[0]


def _image_topics(recording: Recording) -> list[ImageTopic]:
    topics = []
    with open_storage(recording.files) as storage:
        for name in recording.topics_of(IMAGE, COMPRESSED_IMAGE):
            first = next(iter(storage.messages([name])), None)
            if first is not None:
                topics.append(ImageTopic.of(name, first.read()))
    return topics


def _info_senders(recording: Recording, senders: Mapping[str, Modality]) -> dict[str, Modality]:
    """A camera_info is about the images beside it; else about those nearest above or below."""
    found = {}
    for info in recording.topics_of(CAMERA_INFO):
        folder = _parent(info)
        near = {m for topic, m in senders.items() if _parent(topic) == folder}
        while not near:
            near = {m for topic, m in senders.items() if topic.startswith(f'{folder}/')}
            if not folder:
                break
            folder = _parent(folder)
        if len(near) == 1:
            found[info] = near.pop()
    return found


def _nearest(image: str, infos: list[str]) -> str | None:
    beside = [info for info in infos if _parent(info) == _parent(image)]
    return next(iter(beside or infos), None)


def _parent(topic: str) -> str:
    return topic.rpartition('/')[0]
