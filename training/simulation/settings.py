# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What can be chosen about a simulated recording session."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .objects import CATEGORIES

Sensor = Literal['rgb', 'depth']
FaultKind = Literal['drop', 'freeze', 'blind']
Storage = Literal['mcap', 'sqlite3']


class Fault(BaseModel):
    """A stretch of a recording in which one sensor fails.

    ``drop``: it sends nothing. ``freeze``: it repeats its last good picture under new stamps.
    ``blind``: colour is black (a covered lens), depth holds no distance.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    sensor: Sensor = Field(description='The sensor that fails.')
    kind: FaultKind = Field(description='How it fails.')
    start: float = Field(
        ge=0, description="When it begins to fail, in seconds from the bag's start."
    )
    end: float = Field(ge=0, description="When it works again, in seconds from the bag's start.")

    @model_validator(mode='after')
    def _ends_after_it_starts(self) -> Fault:
        if self.end <= self.start:
            raise ValueError(
                f'a fault must end after it starts: start {self.start}, end {self.end}'
            )
        return self


class SimulationSettings(BaseModel):
    """A recording session with a simulated Kinect.

    The defaults give 12 x (6 + 2) recordings of 20 frame pairs. At 10 Hz and 40 degrees a second a
    recording of two seconds walks some 80 degrees round its object; 30 Hz is the Kinect's full
    rate.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    seed: int = Field(
        default=0, ge=0, lt=2**32, description='Same seed, same pixels, stamps and labels.'
    )
    categories: tuple[str, ...] = Field(
        default=tuple(CATEGORIES), min_length=1, description='The kinds of object to record.'
    )
    training_instances: int = Field(
        default=6, ge=0, le=100, description='Instances of each category in train/, from number 1.'
    )
    test_instances: int = Field(
        default=2, ge=0, le=100, description='Further instances, never in train/, that go to test/.'
    )
    seconds: float = Field(default=2.0, gt=0, le=3600, description='Length of a recording.')
    rate_hz: float = Field(default=10.0, ge=1, le=30, description='Frame pairs a second.')
    orbit: float = Field(
        default=50.0,
        gt=0,
        le=180,
        description='How far round to each side of the front the camera walks, in degrees.',
    )
    orbit_speed: float = Field(
        default=40.0,
        ge=0,
        le=180,
        description='How fast it walks to and fro, on the average, degrees/s.',
    )
    elevation: tuple[float, float] = Field(
        default=(30.0, 48.0), description="The camera's lowest and highest angle above the table."
    )
    distance: tuple[float, float] = Field(
        default=(0.65, 1.05), description='Nearest and farthest the camera goes to an object, in m.'
    )
    fill: float = Field(
        default=0.34,
        gt=0.05,
        lt=0.9,
        description="An object's extent as a share of the image's height, where distance allows.",
    )
    labelled_fraction: float = Field(
        default=0.05, ge=0, le=1, description='Share of the training frames given a label.'
    )
    stretch_seconds: float = Field(
        default=0.1, gt=0, le=60, description='Length of one labelled stretch of a recording.'
    )
    storage: Storage = Field(default='mcap', description="The bags' storage format.")
    faults: tuple[Fault, ...] = Field(
        default=(), description='Sensor failures, the same in every recording.'
    )
    workers: int = Field(
        default=2, ge=1, le=256, description='Processes that render; the result is the same.'
    )

    @model_validator(mode='after')
    def _are_consistent(self) -> SimulationSettings:
        unknown = [category for category in self.categories if category not in CATEGORIES]
        if unknown:
            raise ValueError(f'categories: no {unknown[0]!r}; choose from {", ".join(CATEGORIES)}')
        if len(set(self.categories)) < len(self.categories):
            raise ValueError('categories: each may be named once')
        if not 5 <= self.elevation[0] <= self.elevation[1] <= 80:  # noqa: PLR2004 - stated below
            raise ValueError(f'elevation: {self.elevation} is not a range within 5 to 80 degrees')
        if not 0.5 <= self.distance[0] <= self.distance[1] <= 4:  # noqa: PLR2004 - a Kinect's range
            raise ValueError(f'distance: {self.distance} is not a range within 0.5 to 4 m')
        return self
