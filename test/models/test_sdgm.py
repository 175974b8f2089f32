# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SDGM's own; its equations are in test_equations.py, its contract with all the others'."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mm_perception.models import SDGM, ModelSettings, Widths

TWO = {'depth': 5, 'rgb': 8}


@pytest.fixture
def it() -> SDGM:
    torch.manual_seed(0)
    return SDGM(
        ModelSettings(
            name='sdgm',
            networks='mnist',
            modalities=TWO,
            classes=3,
            widths=Widths(hidden=16, a=6, z=4),
        )
    ).eval()


def items(count: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {m: torch.rand(count, d, generator=generator) for m, d in TWO.items()}


def test_the_classifier_averages_over_a_given_x(it: SDGM) -> None:
    x = items(2)
    one = torch.cat([x['depth'], x['rgb']], -1)
    torch.manual_seed(0)
    a = it.q_a_x(x=one).sample((20_000,))
    each = torch.stack([it.q_y_ax(a=a[:, i], x=one[[i] * 20_000]).probs for i in range(2)], 1)

    torch.manual_seed(1)
    estimate = it.probabilities(x, samples=20_000)

    # the difference of two independent means: sqrt(2) standard errors, four of those
    tolerance = 4 * math.sqrt(2 / 20_000) * each.std(0).max().item()
    torch.testing.assert_close(estimate, each.mean(0), atol=tolerance, rtol=0)


def test_zero_samples_is_the_mean_of_a(it: SDGM) -> None:
    x = items(5)
    one = torch.cat([x['depth'], x['rgb']], -1)

    at_the_mean = it.q_y_ax(a=it.q_a_x(x=one).mean, x=one).probs

    torch.testing.assert_close(it.probabilities(x), at_the_mean)
