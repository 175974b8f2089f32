# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.simulation.stretches import Stretch, choose_frames, write_labels

if TYPE_CHECKING:
    from pathlib import Path

counts = st.integers(1, 6)


def chosen(
    categories: int, recordings: int, frames: int, length: int, fraction: float, seed: int = 0
) -> dict[str, list[range]]:
    names = {f'c{c}': [f'c{c}_{i}' for i in range(recordings)] for c in range(categories)}
    return choose_frames(names, frames, length, fraction, np.random.default_rng(seed))


def labelled(stretches: list[range]) -> list[int]:
    return [frame for stretch in stretches for frame in stretch]


@given(counts, counts, st.integers(1, 60), st.integers(1, 9), st.floats(0, 1), st.integers(0, 9))
def test_each_category_has_its_share_of_frames_and_none_twice(
    categories: int, recordings: int, frames: int, length: int, fraction: float, seed: int
) -> None:
    stretches = chosen(categories, recordings, frames, length, fraction, seed)
    for category in range(categories):
        mine = [labelled(stretches[f'c{category}_{i}']) for i in range(recordings)]
        total = recordings * frames
        wanted = max(1, round(fraction * total)) if fraction > 0 else 0
        assert sum(map(len, mine)) == min(total, wanted)
        for frames_of_one in mine:
            assert frames_of_one == sorted(set(frames_of_one))
            assert all(0 <= frame < frames for frame in frames_of_one)


@given(st.integers(1, 40), st.integers(1, 9))
def test_all_labelled_is_one_stretch_a_recording(frames: int, length: int) -> None:
    assert list(chosen(2, 2, frames, length, 1.0).values()) == [[range(frames)]] * 4


def test_few_labels_are_dealt_out_to_all_recordings() -> None:
    stretches = chosen(1, 6, 20, 1, 0.05)
    assert [len(labelled(part)) for part in stretches.values()] == [1] * 6


def test_the_same_seed_chooses_the_same_frames_and_another_others() -> None:
    assert chosen(3, 6, 20, 2, 0.1, seed=1) == chosen(3, 6, 20, 2, 0.1, seed=1)
    assert chosen(3, 6, 20, 2, 0.1, seed=1) != chosen(3, 6, 20, 2, 0.1, seed=2)


def test_the_file_has_the_columns_that_training_reads(tmp_path: Path) -> None:
    write_labels(tmp_path / 'labels.csv', [Stretch('apple_1', 0.05, 0.15, 'apple')])
    with (tmp_path / 'labels.csv').open(newline='') as file:
        assert list(csv.DictReader(file)) == [
            {'bag': 'apple_1', 'start': '0.050', 'end': '0.150', 'label': 'apple'}
        ]
