# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small recordings to label."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from recorder import PERIOD, RGB_TOPIC, record, rgbd
from sitting_process import Sittings

from training.simulation import SimulationSettings, simulate

APART = 'apart_1'
"""A recording whose depth begins when its colour has ended."""


@pytest.fixture(scope='session')
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings, two of bowls and one of a plate; and one without a pair."""
    folder = tmp_path_factory.mktemp('recorded')
    settings = SimulationSettings(
        categories=('bowl', 'plate'),
        training_instances=2,
        test_instances=0,
        seconds=0.8,
        labelled_fraction=0,
        workers=1,
    )
    simulate(settings, folder)
    (folder / 'train' / 'plate_2').rename(folder / 'plate_2')
    (folder / 'train' / 'labels.csv').unlink()
    said = rgbd(8)
    colour = [one for one in said[:8] if one.topic == RGB_TOPIC]
    depth = [one for one in said[8:] if one.topic != RGB_TOPIC]
    assert depth[0].time - colour[-1].time >= PERIOD
    record(folder / 'train' / APART, [*colour, *depth], 'mcap')
    return folder / 'train'


@pytest.fixture(scope='session')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for features, so that they are computed once."""
    return tmp_path_factory.mktemp('features')


@pytest.fixture(scope='session')
def sittings(
    recorded: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sittings]:
    """One for all tests."""
    with ExitStack() as ending:
        yield Sittings(recorded, cache, tmp_path_factory.mktemp('labelled'), ending)
