# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SS-HMVAE's objective against the paper's equations written out again, and its contract."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from mm_perception.models import SSHMVAE, ModelSettings, Widths, build_model
from mm_perception.models.distributions import VARIANCE_FLOOR
from mm_perception.models.label_inference import expected_bounds
from mm_perception.models.networks import GaussianNetwork

WIDTHS = Widths(hidden=16, a=6, z=4)
TWO = {'rgb': 8, 'depth': 5}
THREE = {'rgb': 8, 'depth': 5, 'touch': 3}
WAYS = ['gumbel', 'sum', 'local_expectation']


def settings(**changes: object) -> ModelSettings:
    return ModelSettings.model_validate(
        {'name': 'ss_hmvae', 'networks': 'mnist', 'modalities': TWO, 'classes': 3, 'widths': WIDTHS}
        | changes
    )


def model(seed: int = 0, **changes: object) -> SSHMVAE:
    torch.manual_seed(seed)
    return build_model(settings(**changes))


def items(count: int, modalities: dict[str, int] = TWO, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.rand(count, d, generator=generator) for m, d in sorted(modalities.items())}


def classes(count: int) -> Tensor:
    return torch.arange(count) % 3


# --- the objective -------------------------------------------------------------------------------


def log_n(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return -0.5 * ((x - mean) ** 2 / variance + (2 * math.pi * variance).log()).sum(-1)


def heads(network: GaussianNetwork, **inputs: Tensor) -> tuple[Tensor, Tensor]:
    hidden = network.trunk(**inputs)
    return network.mean(hidden), softplus(network.variance(hidden)) + VARIANCE_FLOOR


def noise(like: Tensor) -> Tensor:
    return torch.normal(torch.zeros_like(like), torch.ones_like(like))


@pytest.mark.parametrize('networks', ['mnist', 'rgbd'])
def test_objective_is_equations_7_to_9_written_out_term_by_term(networks: str) -> None:
    it = model(networks=networks, alpha=0.7).eval()
    labelled, y, unlabelled = items(4), classes(4), items(6, seed=2)
    torch.manual_seed(5)
    loss, terms = it.objective(labelled, y, unlabelled)

    torch.manual_seed(5)  # the same draws: of a, then of y's Gumbel noise, then of z
    x = {m: torch.cat([labelled[m], unlabelled[m]]) for m in TWO}
    mean_a, var_a = heads(it.q_a, **x)
    a = mean_a + var_a.sqrt() * noise(mean_a)
    log_q_y = it.q_y_a.logits(it.q_y_a.trunk(a=a)).log_softmax(-1)
    gumbel = -torch.empty(6, 3).exponential_().log()
    drawn = ((log_q_y[4:] + gumbel) / 0.1).softmax(-1)
    label = torch.cat([torch.eye(3)[y], drawn])
    mean_z, var_z = heads(it.q_z_ay, a=a, y=label)
    z = mean_z + var_z.sqrt() * noise(mean_z)

    bound = log_n(a, *heads(it.p_a_zy, z=z, y=label)) + math.log(1 / 3)
    for m in TWO:
        if networks == 'mnist':
            mu = it.p_x_a[m].logits(it.p_x_a[m].trunk(a=a)).sigmoid()
            bound = bound + (x[m] * mu.log() + (1 - x[m]) * (1 - mu).log()).sum(-1)
        else:
            mu = softplus(it.p_x_a[m].mean(it.p_x_a[m].trunk(a=a)))
            bound = bound - ((x[m] - mu) ** 2).sum(-1)
    bound = bound + 0.5 * (2 * math.pi * math.e * var_a).log().sum(-1)  # −E[log q(a|x)]
    bound = bound - 0.5 * (var_z + mean_z**2 - 1 - var_z.log()).sum(-1)  # E[log p(z) − log q(z)]
    L = bound[:4].mean()
    U = (bound[4:] - (log_q_y[4:].exp() * log_q_y[4:]).sum(-1)).mean()
    classifier = log_q_y[range(4), y].mean()

    torch.testing.assert_close(terms, {'L': L, 'U': U, 'log_q_y': classifier})
    torch.testing.assert_close(loss, -(L + 0.7 * classifier + U))


def test_a_model_whose_heads_are_all_zero_has_the_bounds_worked_out_by_hand() -> None:
    it = model().eval()
    with torch.no_grad():
        for name, parameter in it.named_parameters():
            if 'trunk' not in name:
                parameter.zero_()
    ln2, A, Z, D, K = math.log(2), 6, 4, 8 + 5, 3
    # Every Gaussian is N(0, ln 2 · I), every pixel's probability ½, every class's ⅓. In the mean
    # log p(a|z,y) is minus the entropy of q(a|x), and the two fall out of the bound.
    kl_z = Z / 2 * (ln2 - 1 - math.log(ln2))
    L = -D * ln2 - kl_z - math.log(K)
    U = L + math.log(K)
    B = 20_000

    torch.manual_seed(0)
    _, terms = it.objective(items(B), classes(B), items(B, seed=2))

    # what is left of a's draws is Σ (1 − ε²)/2, of standard deviation sqrt(A/2); four errors of it
    tolerance = 4 * math.sqrt(A / 2 / B)
    assert terms['log_q_y'].item() == pytest.approx(-math.log(K), abs=1e-5)
    assert terms['L'].item() == pytest.approx(L, abs=tolerance)
    assert terms['U'].item() == pytest.approx(U, abs=tolerance)


def deaf_to_z(it: SSHMVAE) -> SSHMVAE:
    """Cut z out of p(a|z,y), so that the M2 bound has no noise left but y's."""
    with torch.no_grad():  # the joined input is (y, z): K columns of y, then Z of z
        it.p_a_zy.trunk.joint[0].weight[:, 3:] = 0
    return it


def test_sum_over_classes_is_the_enumeration_of_them() -> None:
    it = deaf_to_z(model(label_inference='sum')).eval()
    a, logits = torch.randn(5, 6), torch.randn(5, 3)
    none = torch.zeros(0, 3)

    _, summed = expected_bounds(it, {'a': a}, none, logits)

    each = [expected_bounds(it, {'a': a}, torch.eye(3)[[k] * 5], none)[0] for k in range(3)]
    expected = sum(logits.softmax(-1)[:, k] * each[k] for k in range(3))
    torch.testing.assert_close(summed, expected)


def test_labelled_bound_does_not_depend_on_how_hidden_labels_are_inferred() -> None:
    a, label, logits = torch.randn(7, 6), torch.eye(3), torch.randn(4, 3)

    by_way = {
        way: expected_bounds(deaf_to_z(model(label_inference=way)).eval(), {'a': a}, label, logits)[
            0
        ]
        for way in WAYS
    }

    torch.testing.assert_close(by_way['gumbel'], by_way['sum'])
    torch.testing.assert_close(by_way['local_expectation'], by_way['sum'])


def test_gumbel_estimate_approaches_the_exact_sum() -> None:
    exact = deaf_to_z(model(label_inference='sum')).eval()
    # at this temperature a draw is all but one-hot, and the estimate all but unbiased
    drawn = deaf_to_z(model(label_inference='gumbel', temperature=0.01)).eval()
    B = 50_000
    a, logits = torch.randn(1, 6).expand(B, 6), torch.tensor([[0.0, 1.0, -0.5]]).expand(B, 3)
    none = torch.zeros(0, 3)

    with torch.no_grad():
        _, summed = expected_bounds(exact, {'a': a[:1]}, none, logits[:1])
        torch.manual_seed(0)
        _, draws = expected_bounds(drawn, {'a': a}, none, logits)

    assert draws.std() > 0.01  # the classes do differ, so there is something to average
    four_standard_errors = 4 * draws.std().item() / math.sqrt(B)
    assert draws.mean().item() == pytest.approx(summed.item(), abs=four_standard_errors)


# --- what learns from what -----------------------------------------------------------------------


def touched(it: SSHMVAE, value: Tensor) -> set[str]:
    """Name the networks that a value has a gradient in."""
    it.zero_grad()
    value.backward()
    return {
        name.split('.')[0]
        for name, parameter in it.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }


@pytest.mark.parametrize('label_inference', WAYS)
def test_unlabelled_items_teach_every_network(label_inference: str) -> None:
    it = model(label_inference=label_inference)

    loss, _ = it.objective({}, classes(0), items(8))

    assert touched(it, loss) == {'q_a', 'p_x_a', 'q_y_a', 'p_a_zy', 'q_z_ay'}


def test_without_alpha_labelled_items_do_not_teach_the_classifier() -> None:
    it = model(alpha=0.0)

    loss, _ = it.objective(items(8), classes(8), {})

    assert touched(it, loss) == {'q_a', 'p_x_a', 'p_a_zy', 'q_z_ay'}


def test_with_alpha_labelled_items_teach_the_classifier_and_the_encoder_under_it() -> None:
    """Between two alphas only α log q(y|x) differs: its gradient is in q(y|a) and q(a|x) alone."""

    def gradients(alpha: float) -> dict[str, Tensor]:
        it = model(alpha=alpha)
        torch.manual_seed(3)
        it.objective(items(8), classes(8), {}).loss.backward()
        return {n: p.grad.clone() for n, p in it.named_parameters() if p.grad is not None}

    none, full = gradients(0.0), gradients(1.0)
    moved = {n.split('.')[0] for n in full if not torch.allclose(none[n], full[n], atol=1e-6)}

    assert moved == {'q_a', 'q_y_a'}


# --- classifying ---------------------------------------------------------------------------------


def test_what_is_missing_is_filled_with_zeros() -> None:
    it = model(modalities=THREE).eval()
    x = items(7, THREE)

    filled = it.probabilities(x | {'depth': torch.zeros(7, 5), 'touch': torch.zeros(7, 3)})

    assert torch.equal(it.probabilities({'rgb': x['rgb']}), filled)


def test_zero_samples_is_the_posterior_mean_and_the_same_each_time() -> None:
    it = model().eval()
    x = items(7)

    at_the_mean = it.q_y_a(a=it.q_a(**x).mean).probs

    assert torch.equal(it.probabilities(x), at_the_mean)
    assert torch.equal(it.probabilities(x), it.probabilities(x))


def test_samples_average_the_probabilities_over_the_posterior() -> None:
    it = model().eval()
    x = items(2)
    torch.manual_seed(0)
    a = it.q_a(**x).sample((20_000,))
    each = it.q_y_a(a=a.flatten(0, 1)).probs.view(20_000, 2, 3)

    torch.manual_seed(1)
    estimate = it.probabilities(x, samples=20_000)

    # the difference of two independent means: sqrt(2) standard errors, four of those
    tolerance = 4 * math.sqrt(2 / 20_000) * each.std(0).max().item()
    torch.testing.assert_close(estimate, each.mean(0), atol=tolerance, rtol=0)
    assert (estimate - it.probabilities(x)).abs().max() > tolerance  # and not what the mean gives
