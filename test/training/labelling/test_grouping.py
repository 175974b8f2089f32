# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What looks alike is one group, and each frame is in one stretch, however many there are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.labelling import grouping
from training.labelling.grouping import Points, group, points_of_features, stretches

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def places(counts: list[int], distance: float = 20.0) -> Points:
    """Frames in as many places, each near its own."""
    noise = np.random.default_rng(0)
    centres = np.repeat(np.eye(len(counts)) * distance, counts, axis=0)
    return (centres + noise.normal(size=centres.shape)).astype(np.float32)


@given(LENGTHS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_every_frame_is_in_one_stretch_of_its_recording_and_group(
    lengths: list[int], groups: int, chance: object
) -> None:
    numbers = np.array([chance.randrange(groups) for _ in range(sum(lengths))])  # type: ignore[attr-defined]
    found = stretches(numbers, lengths)
    starts = np.cumsum([0, *lengths])
    seen = [
        (starts[s.recording] + frame, s.group)
        for s in found
        for frame in range(s.first, s.last + 1)
    ]
    assert seen == list(enumerate(numbers))
    for one, other in pairwise(found):
        assert one.recording != other.recording or one.group != other.group


def test_places_become_groups_the_largest_first() -> None:
    counts = [10, 40, 20]
    numbers = group(places(counts), [sum(counts)], groups=3)
    assert [np.unique(part).tolist() for part in np.split(numbers, [10, 50])] == [[2], [0], [1]]


def test_the_same_frames_are_grouped_the_same_again() -> None:
    points = places([30, 30], distance=2.0)
    assert (group(points, [60]) == group(points, [60])).all()


def test_a_single_odd_frame_does_not_break_its_stretch() -> None:
    points = places([20, 20])
    points[[5, 30]] = points[[30, 5]]
    assert len(stretches(group(points, [40], groups=2), [40])) == 2


def test_recordings_are_not_averaged_into_each_other() -> None:
    points = places([20, 20], distance=8.0)
    assert [len(s) for s in stretches(group(points, [20, 20], groups=2), [20, 20])] == [20, 20]


@pytest.mark.parametrize('frames', [1, 2, 3])
def test_few_frames_are_no_fault(frames: int) -> None:
    points = points_of_features({'rgb': np.ones((frames, 5), np.float32)})
    assert group(points, [frames]).tolist() == [0] * frames


def test_more_frames_than_are_learned_from_are_grouped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, '_LEARNED_FROM', 60)
    monkeypatch.setattr(grouping, '_CHUNK', 7)
    wide = np.ones((100, 40), np.float32)
    features = {'rgb': places([50, 50]) + 1, 'depth': wide}
    numbers = group(points_of_features(features), [100], groups=2)
    assert len(set(numbers[:48])) == len(set(numbers[52:])) == 1
    assert numbers[0] != numbers[-1]


def test_a_modality_with_large_values_does_not_drown_the_other() -> None:
    told_by_depth = places([10, 10]) - places([10, 10]).min() + 1
    loud = np.random.default_rng(1).uniform(900, 1000, (20, 4)).astype(np.float32)
    points = points_of_features({'rgb': loud, 'depth': told_by_depth})
    assert len(stretches(group(points, [20], groups=2), [20])) == 2
