# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The paper's data sets, on the real digits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.paper.digits.mnist import read_mnist
from training.paper.digits.pairs import PAIRS


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


def test_noise_is_clipped_and_leaves_half_of_the_black_black(digits: Tensor) -> None:
    noisy = PAIRS['nmMNIST(pi/4, 0.5)'](digits, torch.Generator().manual_seed(0))['w']
    black = noisy.view_as(digits)[digits == 0]
    assert (black == 0).float().mean() == pytest.approx(0.5, abs=0.01)
    assert (black == 1).float().mean() == pytest.approx(0.0228, abs=0.003)  # P(N > 2σ)


def test_x_is_the_digit_turned_without_noise(digits: Tensor) -> None:
    turned = PAIRS['nmMNIST(pi/3, 0.3)'](digits, torch.Generator().manual_seed(0))['x']
    assert turned.sum() == pytest.approx(digits.sum().item(), rel=0.02)
    assert (turned.view_as(digits) - digits).abs().mean() > 0.02
