# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever recordings show together, none of them goes that is the last one of a class."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.holdout import can_go, choose

BY_CLASS = st.lists(st.sets(st.sampled_from('abcdefgh'), min_size=1), max_size=5)


@given(BY_CLASS, st.integers(1, 8), st.integers(0, 9))
def test_every_class_has_what_it_can_spare_held_out_and_no_more(
    by_class: list[set[str]], most: int, seed: int
) -> None:
    chosen = choose(by_class, lambda _: most, seed)
    assert all(names - chosen for names in by_class)
    for names in by_class:
        enough = len(names & chosen) >= min(most, len(names) - 1)
        assert enough or not any(can_go(name, chosen, by_class) for name in names - chosen)
    assert choose(by_class, lambda _: most, seed) == chosen


def test_of_recordings_that_show_one_class_each_as_many_go_as_asked() -> None:
    by_class = [{'a1', 'a2', 'a3', 'a4', 'a5'}, {'b1', 'b2'}, {'c1'}]
    for seed in range(5):
        chosen = choose(by_class, lambda recordings: recordings // 2, seed)
        assert [len(names & chosen) for names in by_class] == [2, 1, 0]
