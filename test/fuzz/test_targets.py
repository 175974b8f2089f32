# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every fuzz target for a short while, and every input that once broke a promise."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from fuzz import targets
from fuzz.mutation import mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.filterwarnings('ignore')  # libraries': the product's are told apart

REGRESSIONS = Path(__file__).parent / 'regressions'

INPUTS = {
    **dict.fromkeys(targets.NAMES, 2800),
    **dict.fromkeys(('camera_info', 'washington_trials'), 1500),
    **dict.fromkeys(('bag_db3', 'bag_mcap', 'bag_ros1'), 300),
    **dict.fromkeys(('manifest_text', 'weights'), 100),
    'manifest_values': 500,
    'pairing': 1000,
    **dict.fromkeys(('bag_metadata', 'camera_preset', 'recipe'), 200),
}
"""How many each target gets: as many in a second or two as its parser lets through."""

seeds = cache(lambda name: tuple(targets.load(name).seeds()))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What was mended of a damaged recording is said each time."""
    with caplog.at_level(logging.ERROR, 'training'):
        yield


@pytest.mark.parametrize('name', targets.NAMES)
def test_target_keeps_its_promise_for_every_seed(name: str) -> None:
    for seed in seeds(name)[:: 1 + len(seeds(name)) // 500]:
        targets.load(name).target(seed)


@pytest.mark.parametrize('name', targets.NAMES)
def test_target_keeps_its_promise_for_mutated_seeds(name: str) -> None:
    hostile = st.builds(mutated, st.sampled_from(seeds(name)), st.binary(max_size=32))

    @settings(max_examples=INPUTS[name], suppress_health_check=list(HealthCheck))
    @given(hostile)
    def keeps_its_promise(data: bytes) -> None:
        targets.load(name).target(data)

    keeps_its_promise()


@pytest.mark.parametrize(
    'path', sorted(REGRESSIONS.glob('*/*')), ids=lambda p: p.parent.name + '/' + p.name
)
def test_promise_once_broken_is_kept(path: Path) -> None:
    targets.load(path.parent.name).target(path.read_bytes())
