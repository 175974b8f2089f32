# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recording in, the same recording with labels out."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mm_perception.errors import RecordingError
from mm_perception.observation import Modality
from training.annotating.replay import Replay
from training.annotating.writing import annotated_bag, refuse
from training.recordings.bags import find_recordings
from training.recordings.storage import open_storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mm_perception.classifier import Classifier
    from training.recordings.bags import Recording
    from training.recordings.storage import Storage

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Annotation:
    """What was made.

    Attributes:
        images: Recorded images of the camera's eyes.
        modes: Labels by mode.
        faults: Images that could not be read, or got no label, by the reason.
        seconds: The time that it took.

    """

    images: int
    modes: Counter[str]
    faults: Counter[str]
    seconds: float


def annotate_recording(
    recording: Recording,
    output: Path,
    classifier: Classifier,
    wanted: Mapping[Modality, str | None],
    *,
    overwrite: bool = False,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> Annotation:
    """Label a recording as the robot would have.

    Args:
        recording: The recording, of ``find_one``.
        output: The MCAP file.
        classifier: Warmed up.
        wanted: The topic of each modality; None finds it, or does without where there is none.
        overwrite: Whether the file may take an earlier one's place.
        told: Called with the images done and their number, after each.

    Raises:
        RecordingError, SettingsError: What is wrong with the recording or the file.

    """
    started = time.monotonic()
    with open_storage(recording.files) as storage:
        eyes = _eyes(recording, storage, {m: wanted.get(m) for m in classifier.modalities})
        images = sum(recording.topics[topic].count for topic in eyes)
        done = 0
        with annotated_bag(output, overwrite=overwrite) as bag:
            topics = bag.announce(storage)
            if topics.left_out:
                _LOGGER.warning('%s: left out: %s', recording.path, ', '.join(topics.left_out))
            replay = Replay(recording, eyes, classifier, bag)
            for topic, modality in eyes.items():
                replay.know(modality, recording.camera_info(storage, topic))
            for message in storage.messages({*topics.passed_on, *eyes}):
                if message.topic in topics.passed_on:
                    bag.pass_on(message)
                if message.topic in eyes:
                    replay.see(message)
                    done += 1
                    told(done, images)
    return Annotation(done, replay.modes, replay.faults, time.monotonic() - started)


def find_one(path: Path, output: Path, *, overwrite: bool = False) -> Recording:
    """Find a recording that is to be annotated.

    Args:
        path: A rosbag2 folder or file, a ROS 1 bag, or a folder that holds one of them alone.
        output: The file to be written.
        overwrite: Whether that may take an earlier one's place.

    Raises:
        RecordingError, SettingsError: There is none or more than one, or the file is refused.

    """
    refuse(output, overwrite=overwrite)
    recordings = find_recordings([path])
    if len(recordings) > 1:
        names = ', '.join(str(recording.path) for recording in recordings[:3])
        raise RecordingError(f'{path}: holds {len(recordings)} recordings; name one, as {names}')
    if output.resolve() in {file.resolve() for file in recordings[0].files}:
        raise RecordingError(f'{output}: is the recording itself; choose another name')
    if recordings[0].path.is_dir() and output.resolve().is_relative_to(
        recordings[0].path.resolve()
    ):
        raise RecordingError(f'{output}: lies in the folder of the recording; choose another one')
    return recordings[0]


def _eyes(
    recording: Recording, storage: Storage, wanted: Mapping[Modality, str | None]
) -> dict[str, Modality]:
    """Choose the topics of the sensors that the recording has."""
    there = {image.modality for image in recording.image_topics(storage)}
    sought = {m: topic for m, topic in wanted.items() if topic is not None or m in there}
    if not sought:
        raise RecordingError(
            f'{recording.path}: no {" or ".join(map(str, wanted))} images, which the bundle takes'
        )
    return recording.choose_topics(storage, sought)
