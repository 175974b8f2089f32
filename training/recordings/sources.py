# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What training learns from, whatever its kind: bags, and the Washington data set's instances."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mm_perception.errors import RecordingError
from mm_perception.observation import Observation
from training.recordings.bags import Recording
from training.recordings.washington import Crop, find_crops, thinned


@dataclass(frozen=True)
class BagSource:
    """A recording and the topics to read from it.

    Attributes:
        recording: The bag.
        rgb_topic: The colour topic; None finds it.
        depth_topic: The depth topic, likewise.

    """

    recording: Recording
    rgb_topic: str | None = None
    depth_topic: str | None = None

    @property
    def name(self) -> str:
        """The recording's name."""
        return self.recording.name

    @property
    def start(self) -> int:
        """Zero: its times are those from the bag's start."""
        return 0

    def identity(self) -> dict[str, object]:
        """Files and topics: what the observations depend on."""
        files = _identity(self.recording.files)
        return {'files': files, 'rgb': self.rgb_topic, 'depth': self.depth_topic}

    def observations(self, every: int) -> Iterator[tuple[int, Observation]]:
        """Give observations with their time in ns from the bag's start, as labels count it."""
        received = self.recording.received_observations(
            rgb_topic=self.rgb_topic, depth_topic=self.depth_topic, every=every
        )
        return ((time - self.recording.start, seen) for time, seen in received)


@dataclass(frozen=True)
class InstanceSource:
    """One object of the Washington data set.

    Attributes:
        name: The instance, ``apple_1``.
        category: Its class, ``apple``.
        crops: Its crops in the order of the videos.

    """

    name: str
    category: str
    crops: tuple[Crop, ...]

    @property
    def start(self) -> int:
        """The first crop's stamp, which tells only the order."""
        return self.crops[0].stamp

    def identity(self) -> dict[str, object]:
        """The crops' files."""
        return {'files': _identity(path for crop in self.crops for path in (crop.rgb, crop.depth))}

    def observations(self, every: int) -> Iterator[tuple[int, Observation]]:
        """Give the crops of every n-th video frame, as published, each with its stamp."""
        for crop in thinned(self.crops, every):
            observation = crop.observation()
            yield observation.stamp, observation


def washington_sources(root: Path) -> list[InstanceSource]:
    """List the data set's instances.

    Raises:
        RecordingError: The folder is not laid out as the data set.

    """
    crops = find_crops(root)
    grouped = itertools.groupby(crops, key=lambda crop: (crop.instance, crop.category))
    return [InstanceSource(name, category, tuple(group)) for (name, category), group in grouped]


def _identity(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    try:
        stats = [(str(path.resolve()), path.stat()) for path in files]
    except OSError as error:
        raise RecordingError(
            f'{error.filename}: gone since the recordings were listed ({error.strerror}); put it '
            'back, or leave it out'
        ) from error
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
