# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's data sets, on the real digits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.paper.digits.mnist import read_mnist
from training.paper.digits.pairs import PAIRS, Noisy

NOISY = [
    ('nmMNIST(pi/3, 0.3)', math.pi / 3, 0.3),
    ('nmMNIST(pi/4, 0.5)', math.pi / 4, 0.5),
    ('nmMNIST(2pi/3, 0.7)', 2 * math.pi / 3, 0.7),
]


@pytest.fixture(scope='module')
def digits(shared_data: Path) -> Tensor:
    return read_mnist(shared_data / 'mnist.npz').test.images[:500].float() / 255


@pytest.mark.parametrize('name', PAIRS)
def test_both_modalities_are_grey_levels_of_the_stated_size(name: str, digits: Tensor) -> None:
    pairs = PAIRS[name](digits, torch.Generator().manual_seed(0))
    assert sorted(pairs) == ['w', 'x']
    for values in pairs.values():
        assert values.shape == (500, PAIRS[name].dimension)
        assert values.min() >= 0
        assert values.max() <= 1


def test_halves_make_the_digit_again(digits: Tensor) -> None:
    pairs = PAIRS['hmMNIST'](digits)
    halves = [pairs[name].view(-1, 28, 14) for name in ('x', 'w')]
    assert torch.equal(torch.cat(halves, dim=-1), digits)


def angles(hands: Tensor) -> Tensor:
    """Direction [B] of pictures of one hand that begins in the middle, against the upright."""
    place = torch.arange(28.0) - 13.5
    right, up = (hands.sum(1) * place).sum(1), -(hands.sum(2) * place).sum(1)
    return torch.atan2(right, up)


@pytest.mark.parametrize(('name', 'reach', 'sigma'), NOISY)
def test_x_is_turned_by_as_much_as_the_name_says(name: str, reach: float, sigma: float) -> None:
    pairs = PAIRS[name]
    assert isinstance(pairs, Noisy)
    assert (math.radians(pairs.degrees), pairs.sigma) == (pytest.approx(reach), sigma)
    hands = torch.zeros(2000, 28, 28)
    hands[:, 4:14, 13:15] = 1
    found = angles(pairs(hands, torch.Generator().manual_seed(0))['x'].view_as(hands))
    assert found.min() == pytest.approx(-reach, abs=0.03)
    assert found.max() == pytest.approx(reach, abs=0.03)
    assert found.abs().mean() == pytest.approx(reach / 2, rel=0.05)  # uniform: a deviation of 1.3 %


@pytest.mark.parametrize(('name', 'sigma'), [(name, sigma) for name, _, sigma in NOISY])
def test_noise_has_the_deviation_that_the_name_says_and_is_clipped(
    name: str, sigma: float, digits: Tensor
) -> None:
    noisy = PAIRS[name](digits, torch.Generator().manual_seed(0))['w']
    black = noisy.view_as(digits)[digits == 0]
    for value, expected in ((0, 0.5), (1, math.erfc(1 / sigma / 2**0.5) / 2)):  # P(N > 1/σ)
        deviation = (expected * (1 - expected) / len(black)) ** 0.5
        found = (black == value).double().mean().item()
        assert found == pytest.approx(expected, abs=4 * deviation)


def test_x_is_the_digit_turned_without_noise(digits: Tensor) -> None:
    turned = PAIRS['nmMNIST(pi/3, 0.3)'](digits, torch.Generator().manual_seed(0))['x']
    assert turned.sum() == pytest.approx(digits.sum().item(), rel=0.02)
    assert (turned.view_as(digits) - digits).abs().mean() > 0.02
