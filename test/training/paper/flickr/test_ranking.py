# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.paper.flickr.ranking import label_ranking_average_precision as lrap

LABELS = 4
ITEMS = st.lists(
    st.tuples(
        st.lists(st.booleans(), min_size=LABELS, max_size=LABELS),
        st.lists(st.integers(-3, 3), min_size=LABELS, max_size=LABELS),  # ties are common
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize(
    ('truth', 'scores', 'expected'),
    [
        ([1, 0, 0], [0.75, 0.5, 1], 1 / 2),  # the true label is second
        ([0, 0, 1], [1, 0.2, 0.1], 1 / 3),
        ([1, 0, 1], [3, 2, 1], (1 / 1 + 2 / 3) / 2),
        ([1, 1, 0], [3, 2, 1], 1),
        ([0, 1, 0], [1, 1, 0], 1 / 2),  # a tie: the worst of both ranks
        ([1, 0, 0, 0], [0, 0, 0, 0], 1 / 4),
        ([0, 0, 0], [3, 2, 1], 1),  # nothing to rank
        ([1, 1, 1], [3, 2, 1], 1),
    ],
)
def test_one_item_by_hand(truth: list[int], scores: list[float], expected: float) -> None:
    assert lrap(np.array([truth], bool), np.array([scores], float)) == pytest.approx(expected)


def test_items_count_the_same_however_many_labels_they_have() -> None:
    truth = np.array([[1, 0, 0], [0, 1, 1]], bool)
    scores = np.array([[1.0, 3.0, 2.0], [3.0, 2.0, 1.0]])

    assert lrap(truth, scores) == pytest.approx((1 / 3 + (1 / 2 + 2 / 3) / 2) / 2)


@given(ITEMS)
def test_it_is_the_definition_item_by_item(items: list[tuple[list[bool], list[int]]]) -> None:
    values = []
    for truth, scores in items:
        true = [j for j in range(LABELS) if truth[j]]
        above = {j: [k for k in range(LABELS) if scores[k] >= scores[j]] for j in true}
        shares = [sum(truth[k] for k in above[j]) / len(above[j]) for j in true]
        values.append(sum(shares) / len(shares) if shares else 1.0)

    found = lrap(np.array([t for t, _ in items]), np.array([s for _, s in items], float))

    assert found == pytest.approx(sum(values) / len(values))


@given(ITEMS)
def test_only_the_order_of_the_scores_matters(items: list[tuple[list[bool], list[int]]]) -> None:
    truth = np.array([t for t, _ in items])
    scores = np.array([s for _, s in items], float)

    assert lrap(truth, np.exp(scores) - 7) == lrap(truth, scores)
