# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is asked about first is what a label tells the most of, and not the same thing twice."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.labelling.choosing import order, uncertainty
from training.labelling.grouping import Stretch

CLASSES = 4
DISTRIBUTIONS = arrays(np.float64, (3, 5, CLASSES), elements=st.floats(0.0, 1.0)).map(
    lambda x: (x + 1e-6) / (x + 1e-6).sum(-1, keepdims=True)
)


def modes(*rows: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array([row]) for name, row in zip(('rgbd', 'rgb', 'depth'), rows, strict=True)}


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


@st.composite
def situations(
    draw: st.DrawFn,
) -> tuple[list[Stretch], np.ndarray, np.ndarray, np.ndarray | None]:
    """Stretches of one recording, where their frames lie, what has a label, and doubts."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))
    starts = np.cumsum([0, *lengths])
    found = [
        Stretch(0, int(first), int(first) + length - 1, group)
        for group, (first, length) in enumerate(zip(starts, lengths, strict=False))
    ]
    frames = sum(lengths)
    places = arrays(np.float32, (frames, 3), elements=st.integers(-3, 3).map(float))
    doubts = arrays(np.float64, frames, elements=st.floats(0, 2))
    known = arrays(np.bool_, frames)
    return found, draw(places), draw(known), draw(st.none() | doubts)


@settings(max_examples=40)
@given(situations())
def test_whatever_lacks_a_label_is_asked_about_once_and_nothing_else(situation: Any) -> None:
    found, _, known, _ = situation
    lacking = [i for i, s in enumerate(found) if not known[s.first : s.last + 1].all()]
    assert sorted(order(*situation)) == lacking


@settings(max_examples=40)
@given(situations(), st.integers(0, 8))
def test_the_same_is_asked_again_and_a_short_queue_is_the_beginning_of_a_long_one(
    situation: Any, most: int
) -> None:
    whole = order(*situation)
    assert order(*situation, most=most) == whole[:most]


@settings(max_examples=30)
@given(situations())
def test_what_moves_up_when_the_first_is_labelled_is_what_was_next(situation: Any) -> None:
    found, points, known, doubts = situation
    asked = order(*situation)
    assume(asked)
    first = found[asked[0]]
    labelled = known.copy()
    labelled[first.first : first.last + 1] = True
    # A stretch with labels before has now two places where it was told of.
    assume(not known[first.first : first.last + 1].any())
    gains = told(found, points, labelled, doubts)
    after = order(found, points, labelled, doubts)
    assert sorted(after) == sorted(asked[1:])
    if after:
        assert gains[after[0]] == pytest.approx(max(gains.values()), abs=1e-3)


def told(
    found: list[Stretch], points: np.ndarray, known: np.ndarray, doubts: np.ndarray | None
) -> dict[int, float]:
    """What each stretch would add to F, as its formula says, the slow way."""
    x = points.astype(float)
    reach = 2 * ((x - x.mean(0)) ** 2).sum(1).mean()
    frames = [range(s.first, s.last + 1) for s in found]
    labelled = [x[[i for i in f if known[i]]].mean(0) for f in frames if known[f].any()]

    def value(speakers: list[np.ndarray]) -> float:
        return sum(
            (1 if doubts is None else doubts[i])
            * max((max(reach - ((x[i] - s) ** 2).sum(), 0) for s in speakers), default=0)
            for i in np.flatnonzero(~known)
        )

    return {
        n: value([*labelled, x[[i for i in f if not known[i]]].mean(0)]) - value(labelled)
        for n, f in enumerate(frames)
        if not known[f].all()
    }


@settings(max_examples=40)
@given(situations())
def test_the_first_is_what_tells_the_most_by_the_formula(situation: Any) -> None:
    gains = told(*situation)
    asked = order(*situation)
    if asked:
        assert gains[asked[0]] == pytest.approx(max(gains.values()), rel=1e-4, abs=1e-3)


CLUSTERS = (5, 9, 3)
"""Stretches of four frames each, by cluster."""


def clusters() -> tuple[list[Stretch], np.ndarray]:
    """Stretches in three places far apart, each near its place."""
    of = np.random.default_rng(1).permutation(np.repeat(range(len(CLUSTERS)), CLUSTERS))
    found = [Stretch(0, 4 * i, 4 * i + 3, int(c)) for i, c in enumerate(of)]
    places = np.repeat(np.eye(3)[of] * 20, 4, axis=0)
    return found, (places + np.random.default_rng(0).normal(size=places.shape)).astype(np.float32)


def test_the_first_ones_asked_about_are_of_different_clusters_the_largest_first() -> None:
    found, points = clusters()
    asked = order(found, points, np.zeros(len(points), bool), None)
    assert [found[i].group for i in asked[:3]] == [1, 0, 2]


def test_a_cluster_with_a_label_waits_until_the_others_have_one() -> None:
    found, points = clusters()
    known = np.repeat([False] * len(found), 4)
    labelled = next(i for i, s in enumerate(found) if s.group == 1)
    known[4 * labelled : 4 * labelled + 4] = True
    asked = order(found, points, known, None)
    assert [found[i].group for i in asked[:2]] == [0, 2]


def test_of_clusters_alike_that_is_first_which_the_model_is_unsure_of() -> None:
    found, points = clusters()
    doubts = np.repeat([1.0 if s.group == 2 else 0.1 for s in found], 4)
    asked = order(found, points, np.zeros(len(points), bool), doubts)
    assert found[asked[0]].group == 2


def test_the_rest_of_a_partly_labelled_stretch_is_asked_about() -> None:
    found, points = clusters()
    known = np.ones(len(points), bool)
    known[[9, 41]] = False
    assert sorted(order(found, points, known, None)) == [2, 10]


def test_a_long_recording_is_answered_while_a_key_is_still_down() -> None:
    points = np.random.default_rng(0).normal(size=(20_000, 8)).astype(np.float32)
    found = [Stretch(0, 10 * i, 10 * i + 9, i % 50) for i in range(2000)]
    begun = time.process_time()
    assert len(order(found, points, np.arange(20_000) < 5000, None, most=24)) == 24
    assert time.process_time() - begun < 3  # 0.1 s on an idle core
