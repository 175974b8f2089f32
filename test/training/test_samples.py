# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Both sources give the same thing: observations with the label that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recorder import PERIOD, record, rgbd

from mm_perception.observation import Modality
from training.bags import find_recordings
from training.labels import Labels, Span
from training.samples import bag_samples, washington_samples

if TYPE_CHECKING:
    from pathlib import Path


def test_bag_samples_have_the_label_of_the_moment_of_receipt(tmp_path: Path) -> None:
    record(tmp_path / 'a', rgbd(6))
    record(tmp_path / 'b', rgbd(6), 'mcap')
    # Frame 2 is complete when its depth comes, 5 ms after its RGB and 2 periods after the start.
    ends = 2 * PERIOD + 5_000_000
    labels = Labels({'a': [Span(0, ends, 'mug'), Span(ends, ends + 1, 'can')]})
    samples = list(bag_samples(find_recordings([tmp_path]), labels))
    assert [(s.recording, s.label) for s in samples[:6]] == [
        ('a', 'mug'),
        ('a', 'mug'),
        ('a', 'can'),
        *[('a', None)] * 3,
    ]
    assert [(s.recording, s.label) for s in samples[6:]] == [('b', None)] * 6
    assert {s.observation.mode for s in samples} == {'rgbd'}
    thinned = list(bag_samples(find_recordings([tmp_path]), labels, every=4))
    assert [s.recording for s in thinned] == ['a', 'a', 'b', 'b']


def test_real_washington_samples_are_labelled_by_category(shared_data: Path) -> None:
    samples = list(washington_samples(shared_data / 'uw_rgbd', every=200))
    assert {s.label for s in samples} == {'apple', 'ball', 'bowl', 'cap', 'coffee_mug', 'soda_can'}
    assert all(s.recording.rpartition('_')[0] == s.label for s in samples)
    assert all(set(s.observation.frames) == set(Modality) for s in samples)
