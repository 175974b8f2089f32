# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from training.paper.flickr.logistic_regression import fit_logistic_regression


def made(items: int = 80, dimension: int = 5, labels: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(items, dimension, generator=generator, dtype=torch.float64)
    planes = torch.randn(dimension, labels, generator=generator, dtype=torch.float64)
    noise = torch.randn(items, labels, generator=generator, dtype=torch.float64)
    return z, z @ planes + noise > 1


@pytest.mark.parametrize('C', [0.01, 1.0, 100.0])
def test_gradient_vanishes_at_the_minimum(C: float) -> None:
    z, y = made()

    fitted = fit_logistic_regression(z, y, C=C)

    error = torch.sigmoid(fitted.logits(z)) - y.double()  # [N, L]
    assert (fitted.weight + C * error.T @ z).abs().max() < 1e-4 * max(1, C)
    assert (fitted.bias + C * error.sum(0)).abs().max() < 1e-4 * max(1, C)


@pytest.mark.parametrize('C', [0.5, 2.0])
def test_two_mirrored_points_have_the_weight_worked_out_by_hand(C: float) -> None:
    """By symmetry b = 0, and w = 2 C sigmoid(−w)."""
    z, y = torch.tensor([[1.0], [-1.0]]).double(), torch.tensor([[True], [False]])

    fitted = fit_logistic_regression(z, y, C=C)

    w = fitted.weight.item()
    assert w == pytest.approx(2 * C / (1 + math.exp(w)), abs=1e-5)
    assert fitted.bias.item() == pytest.approx(0, abs=1e-6)


def test_each_label_is_learned_as_if_it_were_alone() -> None:
    z, y = made()

    together = fit_logistic_regression(z, y)

    for label in range(y.shape[1]):
        alone = fit_logistic_regression(z, y[:, label : label + 1])
        assert torch.allclose(alone.weight[0], together.weight[label], atol=1e-4)


def test_a_label_that_no_item_has_is_finite_and_unlikely() -> None:
    z, y = made()
    y[:, 1] = False

    fitted = fit_logistic_regression(z, y)

    assert fitted.weight.isfinite().all()
    assert (fitted.logits(z)[:, 1] < 0).all()


def test_single_precision_finds_the_same_planes() -> None:
    z, y = made()

    single, double = fit_logistic_regression(z.float(), y), fit_logistic_regression(z, y)

    assert torch.allclose(single.weight.double(), double.weight, atol=1e-3)
