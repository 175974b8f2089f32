# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The building blocks against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import kl_divergence

from mm_perception.models.distributions import (
    Gaussian,
    SquaredError,
    bernoulli,
    categorical,
    entropy,
    gaussian,
    nearest,
    standard_gaussian,
)

NUMBERS = st.floats(-5, 5)
VARIANCES = st.floats(0.05, 20)
GAUSSIANS = st.lists(st.tuples(NUMBERS, VARIANCES), min_size=3, max_size=3)


def made(parameters: list[tuple[float, float]]) -> Gaussian:
    means, variances = torch.tensor(parameters, dtype=torch.float64).T
    return gaussian(means, variances)


def test_kl_to_the_prior_is_the_closed_form_and_the_monte_carlo_mean() -> None:
    q = gaussian(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 2.0]))
    p = standard_gaussian(q)

    # ½ Σ (σ² + μ² − 1 − log σ²) = ½ ((0.5 + 1 − 1 − log ½) + (2 + 4 − 1 − log 2)) = ½ · 5.5
    by_hand = 2.75
    assert kl_divergence(q, p).item() == pytest.approx(by_hand, abs=1e-6)

    torch.manual_seed(0)
    samples = q.sample((100_000,))
    log_ratio = q.log_prob(samples) - p.log_prob(samples)
    four_standard_errors = 4 * log_ratio.std().item() / math.sqrt(len(samples))
    assert log_ratio.mean().item() == pytest.approx(by_hand, abs=four_standard_errors)


def test_gaussian_sums_over_the_last_axis() -> None:
    q = gaussian(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 4.0]]))

    # −½ (0² + log 2π) − ½ ((3 − 1)²/4 + log 4 + log 2π) = −½ − log 2 − log 2π
    expected = -0.5 - math.log(2) - math.log(2 * math.pi)
    assert q.log_prob(torch.tensor([[0.0, 3.0]])).tolist() == pytest.approx([expected])
    # ½ log 2πe each, and log σ of the second
    assert entropy(q).tolist() == pytest.approx([math.log(2 * math.pi * math.e) + math.log(2)])


def test_bernoulli_takes_grey_levels() -> None:
    p = bernoulli(torch.tensor([[0.0, math.log(3)]]))  # probabilities ½ and ¾

    expected = math.log(0.5) + 0.25 * math.log(0.75) + 0.75 * math.log(0.25)
    assert p.log_prob(torch.tensor([[1.0, 0.25]])).tolist() == pytest.approx([expected])


def test_squared_error_is_a_sum_and_a_gaussian_log_likelihood_but_for_a_constant() -> None:
    mean, target = torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([[0.0, 4.0, 0.5]])

    assert SquaredError(mean).log_prob(target).tolist() == pytest.approx([-5.25])

    log_n = gaussian(mean, torch.full_like(mean, 0.5)).log_prob(target)
    assert log_n.tolist() == pytest.approx([-5.25 - 1.5 * math.log(math.pi)])


def test_categorical_entropy_is_in_nats() -> None:
    q = categorical(torch.tensor([[0.0, 0.0, math.log(2)]]))  # ¼, ¼, ½

    assert entropy(q).tolist() == pytest.approx([1.5 * math.log(2)])


def test_nearest_of_two_is_weighted_by_precision() -> None:
    q = nearest([made([(0.0, 1.0)]), made([(5.0, 0.25)])])

    # precisions 1 and 4: mean (0·1 + 5·4)/5, precision (1 + 4)/2
    assert q.mean.tolist() == pytest.approx([4.0])
    assert q.variance.tolist() == pytest.approx([0.4])


def test_nearest_of_one_is_itself() -> None:
    expert = made([(3.0, 0.7), (-1.0, 2.0)])

    q = nearest([expert])

    assert torch.allclose(q.mean, expert.mean)
    assert torch.allclose(q.variance, expert.variance)


@given(st.lists(GAUSSIANS, min_size=2, max_size=4), GAUSSIANS)
def test_no_gaussian_is_nearer_to_the_experts_than_the_nearest(
    experts: list[list[tuple[float, float]]], other: list[tuple[float, float]]
) -> None:
    pool = [made(expert) for expert in experts]

    def distance(q: Gaussian) -> float:
        return sum(kl_divergence(q, expert).item() for expert in pool)

    least = distance(nearest(pool))
    assert least <= distance(made(other)) + 1e-9 * (1 + least)  # rounding in float64
