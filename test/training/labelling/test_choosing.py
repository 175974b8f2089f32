# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is asked about first is what the model knows least of, and not the same thing twice."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.labelling.choosing import order, uncertainty, worth
from training.labelling.grouping import Stretch

CLASSES = 4
DISTRIBUTIONS = arrays(np.float64, (3, 5, CLASSES), elements=st.floats(0.0, 1.0)).map(
    lambda x: (x + 1e-6) / (x + 1e-6).sum(-1, keepdims=True)
)


def modes(*rows: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array([row]) for name, row in zip(('rgbd', 'rgb', 'depth'), rows, strict=True)}


def cut(*groups: int, length: int = 4) -> list[Stretch]:
    return [Stretch(0, i * length, (i + 1) * length - 1, g) for i, g in enumerate(groups)]


@given(DISTRIBUTIONS)
def test_uncertainty_lies_between_certainty_and_two_uniform_answers(said: np.ndarray) -> None:
    found = uncertainty(dict(zip(('rgbd', 'rgb', 'depth'), said, strict=True)))
    assert (found >= -1e-9).all()
    assert (found <= 2 * math.log(CLASSES) + 1e-9).all()


def test_modes_that_are_sure_and_agree_have_nothing_to_learn() -> None:
    sure = [1.0, 0.0, 0.0]
    assert uncertainty(modes(sure, sure, sure)).item() == 0


def test_modes_that_disagree_are_worth_a_label_though_each_is_sure() -> None:
    found = uncertainty(modes([1, 0, 0], [0, 1, 0], [0, 0, 1]))
    assert found.item() == pytest.approx(math.log(3))


def test_an_even_answer_is_worth_its_entropy() -> None:
    even = [1 / 3] * 3
    assert uncertainty(modes(even, even, even)).item() == pytest.approx(math.log(3))


def test_a_stretch_is_worth_the_mean_of_its_own_frames() -> None:
    found = [Stretch(0, 0, 1, 0), Stretch(1, 1, 2, 0)]
    assert worth(np.array([1, 3, 9, 5, 7.0]), found, [0, 2]) == [2, 6]


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5)), min_size=1, max_size=15), st.data())
def test_all_that_is_unlabelled_is_asked_about_once(
    given_ones: list[tuple[int, float]], data: st.DataObject
) -> None:
    found = cut(*(g for g, _ in given_ones))
    unlabelled = data.draw(st.sets(st.integers(0, len(found) - 1)))
    for values in (None, [v for _, v in given_ones]):
        assert sorted(order(found, unlabelled, values)) == sorted(unlabelled)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5)), min_size=1, max_size=15))
def test_groups_take_turns_and_the_least_sure_begins(given_ones: list[tuple[int, float]]) -> None:
    found, values = cut(*(g for g, _ in given_ones)), [v for _, v in given_ones]
    asked = order(found, range(len(found)), values)
    assert values[asked[0]] == max(values)
    groups = {s.group for s in found}
    assert {found[i].group for i in asked[: len(groups)]} == groups
    for g in groups:
        own = [values[i] for i in asked if found[i].group == g]
        assert own == sorted(own, reverse=True)


def test_without_a_model_the_largest_group_without_a_label_is_first() -> None:
    found = cut(0, 0, 0, 1, 1, 2)
    assert order(found, range(6), None)[:3] == [0, 3, 5]
    assert order(found, set(range(1, 6)), None)[:2] == [3, 5]
