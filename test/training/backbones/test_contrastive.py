# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The loss is the formula, and who is like whom is told without a label."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from training.backbones.contrastive import affinity_of_moments, contrastive_loss

MOMENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=9)
NEIGHBOURS = st.sampled_from([None, 0.0, 1.0, 2.5])


def affinity(moments: list[tuple[int, int]], neighbours: float | None) -> torch.Tensor:
    recordings, seconds = (torch.tensor(each) for each in zip(*moments, strict=True))
    return affinity_of_moments(recordings, seconds * 1_000_000_000, neighbours)


def as_written(
    similarity: np.ndarray, alpha: np.ndarray, temperature: float, margin: float
) -> float:
    """The loss as the formula has it, sum by sum, in double precision."""
    losses = []
    for row, alike in zip(similarity.tolist(), alpha.tolist(), strict=True):
        A = math.fsum(math.exp((s - margin) / temperature) for s, a in zip(row, alike, strict=True)
                      if a == 1)  # fmt: skip
        U = math.fsum(math.exp(s / temperature) for s, a in zip(row, alike, strict=True) if a == -1)
        losses.append(-math.log(A / (A + U)))
    return math.fsum(losses) / len(losses)


@settings(max_examples=40)
@given(MOMENTS, NEIGHBOURS, st.floats(0.05, 2), st.floats(0, 0.5), st.integers(0, 99))
def test_loss_is_the_formula(
    moments: list[tuple[int, int]],
    neighbours: float | None,
    temperature: float,
    margin: float,
    seed: int,
) -> None:
    alpha = affinity(moments, neighbours)
    similarity = np.random.default_rng(seed).uniform(-1, 1, alpha.shape)
    expected = as_written(similarity, alpha.numpy(), temperature, margin)
    found = contrastive_loss(torch.from_numpy(similarity), alpha, temperature, margin)
    assert found.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    single = contrastive_loss(torch.from_numpy(similarity).float(), alpha, temperature, margin)
    assert single.item() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_with_one_alike_and_all_others_unlike_it_is_nt_xent() -> None:
    similarity = torch.rand(6, 6, dtype=torch.float64)
    alpha = affinity([(each, 0) for each in range(6)], None)
    assert torch.equal(alpha, 2 * torch.eye(6, dtype=torch.int8) - 1)
    expected = functional.cross_entropy(similarity / 0.2, torch.arange(6))
    torch.testing.assert_close(contrastive_loss(similarity, alpha, 0.2), expected)


@settings(max_examples=40)
@given(MOMENTS, NEIGHBOURS)
def test_affinity_is_symmetric_and_asks_for_recording_and_time_alone(
    moments: list[tuple[int, int]], neighbours: float | None
) -> None:
    alpha = affinity(moments, neighbours)
    assert torch.equal(alpha, alpha.T)
    for (i, (recording, time)), (j, (other, when)) in (
        (a, b) for a in enumerate(moments) for b in enumerate(moments)
    ):
        apart = math.inf if recording != other else abs(time - when)
        near = recording == other if neighbours is None else apart <= neighbours
        assert alpha[i, j] == (1 if apart == 0 else 0 if near else -1)


def test_what_is_neither_alike_nor_unlike_changes_nothing() -> None:
    moments = [(0, 0), (0, 1), (1, 0)]
    similarity = torch.tensor([[0.9, 0.1, 0.3], [0.2, 0.8, 0.1], [0.0, 0.4, 0.7]])
    other = similarity.clone()
    other[0, 1], other[1, 0] = -1, 1
    given = affinity(moments, None), 0.1
    assert contrastive_loss(similarity, *given) == contrastive_loss(other, *given)
    other[0, 2] += 0.1
    assert contrastive_loss(similarity, *given) < contrastive_loss(other, *given)
