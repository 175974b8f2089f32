# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What training learns from: observations with the label they have, whatever their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mm_perception.observation import Modality
from mm_perception.pairing import PairingSettings
from training.washington import find_crops

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from mm_perception.health import HealthSettings
    from mm_perception.observation import Observation
    from training.bags import Recording
    from training.labels import Labels


@dataclass(frozen=True, eq=False)
class Sample:
    """One observation to learn from.

    Attributes:
        recording: The recording's name, by which evaluation holds out; in the Washington data set
            the instance, ``apple_1``.
        label: The object's class, None where nobody labelled it.
        observation: What the camera saw.

    """

    recording: str
    label: str | None
    observation: Observation


def bag_samples(
    recordings: Iterable[Recording],
    labels: Labels,
    *,
    every: int = 1,
    rgb_topic: str | None = None,
    depth_topic: str | None = None,
    slop: float = PairingSettings.slop,
    modalities: Collection[Modality] = tuple(Modality),
    health: HealthSettings | None = None,
) -> Iterator[Sample]:
    """Stream the observations of recordings; see `Recording.received_observations`.

    A label counts by the time at which the observation's newest frame was received.

    Raises:
        RecordingError: A recording cannot be read, or lacks a modality.
        SettingsError: ``every`` is less than 1.

    """
    for recording in recordings:
        observations = recording.received_observations(
            rgb_topic=rgb_topic,
            depth_topic=depth_topic,
            every=every,
            slop=slop,
            modalities=modalities,
            health=health,
        )
        for received, observation in observations:
            label = labels.at(recording.name, received - recording.start)
            yield Sample(recording.name, label, observation)


def washington_samples(root: Path, *, every: int = 1) -> Iterator[Sample]:
    """Stream the crops of the Washington RGB-D Object Dataset; see `training.washington`.

    Raises:
        RecordingError: The folder is not laid out as the data set, or a file cannot be read.
        SettingsError: ``every`` is less than 1.

    """
    for crop in find_crops(root, every):
        yield Sample(crop.instance, crop.category, crop.observation())
