# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Three ways to average over a hidden class, of which one is exact and one is so in expectation."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from mm_perception.models import SSHMVAE, ModelSettings, SemiSupervised, Widths, build_model
from mm_perception.models.label_inference import expected_bounds, local_expectation, summed

N, M, K = 2, 2, 3
X = {'depth': 5, 'rgb': 8}
# What each model's bound takes beside y. M2's is SS-MVAE's.
INPUTS = {'ss_mvae': X, 'ss_hmvae': {'a': 6}, 'ss_hmvae_kl': {'a': 6}, 'sdgm': {'a': 6, 'x': 13}}

BELOW = {'q_z_xy', 'p_x_zy', 'q_z_ay', 'p_a_zy', 'q_z_axy', 'p_x_azy'}  # the networks that take y


def model(name: str, **changes: object) -> SemiSupervised:
    torch.manual_seed(0)
    settings = {
        'name': name,
        'networks': 'mnist',
        'modalities': X,
        'classes': K,
        'widths': Widths(hidden=16, a=6, z=4),
        'label_inference': 'local_expectation',
    }
    return build_model(ModelSettings.model_validate(settings | changes)).double()


def rows(name: str, count: int = N + M) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {n: torch.rand(count, d, dtype=torch.float64) for n, d in INPUTS[name].items()}


LABEL = torch.eye(K, dtype=torch.float64)[:N]
LOGITS = torch.tensor([[0.3, -1.0, 0.9], [0.0, 0.5, -0.4]], dtype=torch.float64)


def noise(count: int) -> Tensor:
    torch.manual_seed(2)
    return torch.randn(count, 4, dtype=torch.float64)


def gradients(it: SemiSupervised, inputs: dict[str, Tensor], way: str, drawn: Tensor) -> Tensor:
    """All gradients in one vector, of both bounds of all rows with some weights."""
    leaves = {name: value.clone().requires_grad_() for name, value in inputs.items()}
    logits = LOGITS.clone().requires_grad_()
    shared = noise(N + M)
    if way == 'sum':
        each = torch.cat([shared[:N], shared[N:].repeat(K, 1)])
        known, mean = summed(it, leaves, LABEL, logits, each)
    else:
        known, mean = local_expectation(it, leaves, LABEL, logits, drawn, shared)
    value = 0.7 * known[0] - 1.1 * known[1] + 0.4 * mean[0] + 1.3 * mean[1]
    taking_part = [p for n, p in it.named_parameters() if n.split('.')[0] in BELOW]
    wanted = [*leaves.values(), logits, *taking_part]
    found = torch.autograd.grad(value, wanted, materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


@pytest.mark.parametrize('name', INPUTS)
def test_the_mean_of_the_local_expectation_gradient_is_the_gradient_of_the_sum(name: str) -> None:
    """Over all draws of y, enumerated, each with its probability; the noise of z is one and fixed.

    Normalised by running statistics, so that rows do not depend on each other.
    """
    it, inputs = model(name).eval(), rows(name)
    q = LOGITS.softmax(-1)

    mean = sum(
        q[0, i] * q[1, j] * gradients(it, inputs, 'local', torch.eye(K).double()[[i, j]])
        for i, j in itertools.product(range(K), repeat=M)
    )

    exact = gradients(it, inputs, 'sum', torch.empty(0))
    torch.testing.assert_close(mean, exact, rtol=1e-9, atol=1e-9)
    one = gradients(it, inputs, 'local', torch.eye(K).double()[[0, 1]])
    assert (one - exact).abs().max() > 1e-3  # a single draw's is another: there is a mean to take


@pytest.mark.parametrize('name', INPUTS)
def test_value_and_gradient_of_the_logits_are_exact_whatever_class_is_drawn(name: str) -> None:
    it, inputs, shared = model(name).eval(), rows(name), noise(N + M)
    each = torch.cat([shared[:N], shared[N:].repeat(K, 1)])
    logits = LOGITS.clone().requires_grad_()
    known, exact = summed(it, inputs, LABEL, logits, each)
    (slope,) = torch.autograd.grad(exact.sum(), logits)

    for k in range(K):
        drawn = torch.eye(K).double()[[k] * M]
        same, mean = local_expectation(it, inputs, LABEL, logits, drawn, shared)
        torch.testing.assert_close(same, known)
        torch.testing.assert_close(mean, exact)
        torch.testing.assert_close(torch.autograd.grad(mean.sum(), logits)[0], slope)


def test_networks_below_learn_from_the_class_drawn_alone() -> None:
    it = model('ss_hmvae').eval()
    inputs = {'a': rows('ss_hmvae')['a'][N:]}
    drawn = torch.eye(K).double()[[1, 1]]

    none = torch.empty(0, K, dtype=torch.float64)
    _, mean = local_expectation(it, inputs, none, LOGITS, drawn, noise(M))
    mean.sum().backward()

    # the joined input is (y, z): K columns of y, then Z of z
    columns = it.p_a_zy.trunk.joint[0].weight.grad[:, :K].abs().sum(0)
    assert [bool(c > 0) for c in columns] == [False, True, False]


class Counted(SSHMVAE):
    """Its bound is a learned number for each class: their gradient tells which were drawn."""

    def __init__(self) -> None:
        super().__init__(model('ss_hmvae').settings)
        self.numbers = nn.Parameter(torch.zeros(K))

    def bound(self, inputs: Mapping[str, Tensor], y: Tensor, noise: Tensor) -> Tensor:
        assert len(inputs['a']) == len(y) == len(noise)
        return y @ self.numbers


def test_classes_are_drawn_from_the_classifier() -> None:
    it, B = Counted(), 40_000
    logits = LOGITS[:1].float().expand(B, K)

    _, mean = expected_bounds(it, {'a': torch.zeros(B, 6)}, torch.empty(0, K), logits)
    mean.mean().backward()

    four_standard_errors = 4 * 0.5 / math.sqrt(B)
    expected = LOGITS[0].softmax(-1).float()
    torch.testing.assert_close(it.numbers.grad, expected, atol=four_standard_errors, rtol=0)


# --- batch normalisation -------------------------------------------------------------------------


@pytest.mark.parametrize('name', INPUTS)
def test_trying_the_classes_does_not_move_the_running_statistics(name: str) -> None:
    it = model(name).train()
    alone = copy.deepcopy(it)
    inputs, drawn = rows(name), torch.eye(K).double()[[2, 0]]

    local_expectation(it, inputs, LABEL, LOGITS, drawn, noise(N + M))
    alone.bound(inputs, torch.cat([LABEL, drawn]), noise(N + M))

    after, expected = it.state_dict(), alone.state_dict()
    assert any(key.endswith('num_batches_tracked') and expected[key] == 1 for key in expected)
    assert all(torch.equal(after[key], expected[key]) for key in expected)


@pytest.mark.parametrize('name', INPUTS)
def test_a_class_is_tried_under_the_statistics_of_the_batch_that_is_learned_from(name: str) -> None:
    it = model(name).train()
    inputs, drawn = rows(name), torch.eye(K).double()[[2, 0]]
    learned = copy.deepcopy(it).bound(inputs, torch.cat([LABEL, drawn]), noise(N + M))

    certain = 1e4 * drawn  # all of q(y|·) is on the class drawn
    known, mean = local_expectation(it, inputs, LABEL, certain, drawn, noise(N + M))

    torch.testing.assert_close(torch.cat([known, mean]), learned)
    in_eval = it.eval().bound(inputs, torch.cat([LABEL, drawn]), noise(N + M))
    assert (in_eval - learned).abs().max() > 1e-3  # which are not the running ones
