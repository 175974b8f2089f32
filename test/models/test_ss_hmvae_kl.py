# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SS-HMVAE-kl: J_div, who learns from it, and three modalities of which any may be missing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from mm_perception.models import SSHMVAEKL, ModelSettings, Widths, zero_fill
from mm_perception.models.distributions import gaussian, nearest

WIDTHS = Widths(hidden=16, a=6, z=4)
THREE = {'rgb': 8, 'depth': 5, 'touch': 3}
SUBSETS = [
    ('rgb',),
    ('depth',),
    ('touch',),
    ('rgb', 'depth'),
    ('rgb', 'touch'),
    ('depth', 'touch'),
    ('rgb', 'depth', 'touch'),
]


def model(seed: int = 0, **changes: object) -> SSHMVAEKL:
    torch.manual_seed(seed)
    return SSHMVAEKL(
        ModelSettings.model_validate(
            {'networks': 'mnist', 'modalities': THREE, 'classes': 3, 'widths': WIDTHS} | changes
        )
    )


def items(count: int, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.rand(count, d, generator=generator) for m, d in sorted(THREE.items())}


def classes(count: int) -> Tensor:
    return torch.arange(count) % 3


def step(it: SSHMVAEKL) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(3)
    return it.objective(items(4), classes(4), items(6, seed=2))


def test_divergence_is_equation_12_over_labelled_and_unlabelled_items() -> None:
    it = model().eval()
    x = {m: torch.cat([items(4)[m], items(6, seed=2)[m]]) for m in THREE}

    _, terms = step(it)

    total = torch.zeros(10)
    p = it.q_a(**x)
    for m in THREE:
        q = it.q_a_single[m](**{m: x[m]})
        ratio = p.variance / q.variance
        gap = (p.mean - q.mean) ** 2 / q.variance
        total += 0.5 * (ratio + gap - 1 - ratio.log()).sum(-1)
    torch.testing.assert_close(terms['J_div'], total.mean())


def test_loss_is_that_of_ss_hmvae_plus_beta_times_the_divergence() -> None:
    it = model(beta=0.3).eval()

    loss, terms = step(it)

    J = terms['L'] + terms['log_q_y'] + terms['U']
    torch.testing.assert_close(loss.detach(), -(J - 0.3 * terms['J_div']))
    assert terms['J_div'] > 0


def gradients(beta: float, **changes: object) -> dict[str, Tensor]:
    it = model(beta=beta, **changes)
    step(it)[0].backward()
    return {n: p.grad.clone() for n, p in it.named_parameters() if p.grad is not None}


def test_divergence_reaches_the_joint_encoder_and_no_decoder_or_classifier() -> None:
    """Between two betas only β J_div differs."""
    one, other = gradients(0.0), gradients(1.0)

    moved = {n.split('.')[0] for n in other if not torch.allclose(one[n], other[n], atol=1e-6)}

    assert moved == {'q_a', 'q_a_single'}


def test_with_the_gradient_stopped_the_divergence_reaches_the_single_encoders_alone() -> None:
    stopped, free = (gradients(1.0, stop_gradient=stop) for stop in (True, False))
    none = gradients(0.0)

    for name, gradient in stopped.items():
        if name.startswith('q_a_single.'):
            torch.testing.assert_close(gradient, free[name])
        else:
            torch.testing.assert_close(gradient, none[name])


def test_stopping_the_gradient_leaves_the_value() -> None:
    assert torch.equal(step(model())[0], step(model(stop_gradient=True))[0])


def test_single_encoders_learn_through_the_divergence_alone() -> None:
    none, one, two = gradients(0.0), gradients(1.0), gradients(2.0)
    single = [n for n in one if n.startswith('q_a_single.')]

    assert {n.split('.')[1] for n in single} == set(THREE)
    for name in single:
        assert none[name].abs().sum() == 0
        torch.testing.assert_close(two[name], 2 * one[name])


def test_all_modalities_go_through_the_joint_encoder() -> None:
    it, x = model().eval(), items(5)

    assert torch.equal(it.probabilities(x), it.q_y_a(a=it.q_a(**x).mean).probs)


@pytest.mark.parametrize('m', THREE)
def test_one_modality_goes_through_its_own_encoder(m: str) -> None:
    it, x = model().eval(), items(5)

    by_hand = it.q_y_a(a=it.q_a_single[m](**{m: x[m]}).mean).probs

    torch.testing.assert_close(it.probabilities({m: x[m]}), by_hand)


def test_two_of_three_go_where_the_divergence_is_least() -> None:
    it, x = model().eval(), items(5)
    singles = [it.q_a_single[m](**{m: x[m]}) for m in ('rgb', 'touch')]

    q_a = it.posterior({m: x[m] for m in ('rgb', 'touch')})

    assert torch.equal(q_a.mean, nearest(singles).mean)
    here = sum(kl_divergence(q_a, q) for q in singles)
    at_the_first = kl_divergence(singles[0], singles[1])
    assert (here <= at_the_first).all()


def test_zero_fill_is_the_joint_encoder_with_zeros() -> None:
    it, x = model().eval(), items(5)
    zeros = {m: torch.zeros_like(v) for m, v in x.items()}

    filled = it.q_y_a(a=it.q_a(**(zeros | {'rgb': x['rgb']})).mean).probs

    assert torch.equal(it.probabilities(zero_fill(it, {'rgb': x['rgb']})), filled)
    assert torch.equal(it.probabilities(zero_fill(it, x)), it.probabilities(x))


def worlds(count: int, seed: int) -> tuple[dict[str, Tensor], Tensor]:
    """Three modalities of objects of three classes, each a noisy picture of the class ≥ 0."""
    centres = torch.Generator().manual_seed(0)
    prototypes = {m: torch.rand(3, d, generator=centres) * 2 for m, d in sorted(THREE.items())}
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(3, (count,), generator=generator)
    x = {
        m: (p[y] + 0.15 * torch.randn(count, p.shape[1], generator=generator)).clamp_min(0)
        for m, p in prototypes.items()
    }
    return x, y


@pytest.mark.parametrize('label_inference', ['gumbel', 'sum', 'local_expectation'])
def test_three_modalities_learn_from_12_labels_to_classify_by_every_subset(
    label_inference: str,
) -> None:
    it = model(networks='rgbd', label_inference=label_inference)
    (labelled, y), (unlabelled, _), (test, truth) = worlds(12, 1), worlds(256, 2), worlds(500, 3)
    assert set(y.tolist()) == {0, 1, 2}
    optimiser = torch.optim.Adam(it.parameters(), 3e-3)

    losses = []
    for _ in range(150):
        optimiser.zero_grad()
        loss, _ = it.objective(labelled, y, unlabelled)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    it.eval()

    assert math.fsum(losses[-10:]) < math.fsum(losses[:10])
    accuracy = {}
    for present in SUBSETS:
        with torch.inference_mode():
            guess = it.probabilities({m: test[m] for m in present}).argmax(-1)
        accuracy['+'.join(present)] = (guess == truth).float().mean().item()
    assert min(accuracy.values()) > 0.9


# --- the agreement -------------------------------------------------------------------------------


def test_agreement_is_the_log_probability_of_labels_and_of_sure_guesses() -> None:
    it = model(gamma=1.0, threshold=0.8)
    y = torch.tensor([2, 0])
    guess = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.3, 0.2], [0.0, 0.2, 0.8]])
    # Posteriors so narrow that a sample is their mean.
    means = [torch.randn(5, WIDTHS.a), torch.randn(5, WIDTHS.a)]
    posteriors = [gaussian(mean, torch.full_like(mean, 1e-12)) for mean in means]
    with torch.no_grad():
        J_y, sure = it.eval().agreement(posteriors, y, guess)
        log_q = sum(it.q_y_a(a=mean).probs.log() for mean in means)
    by_label = (log_q[0, 2] + log_q[1, 0]) / 2
    by_guess = (0.9 * log_q[2, 0] + 0.1 * log_q[2, 1] + 0.2 * log_q[4, 1] + 0.8 * log_q[4, 2]) / 3
    assert sure.tolist() == [1, 0, 1]
    assert J_y.item() == pytest.approx((by_label + by_guess).item(), abs=1e-4)


def test_gamma_weighs_the_agreement_in_the_loss() -> None:
    guess = torch.tensor([[0.99, 0.005, 0.005]] * 6)
    losses = {}
    for gamma in (0.0, 1.0, 3.0):
        it = model(gamma=gamma).eval()
        torch.manual_seed(4)
        loss, terms = it.objective(items(4), classes(4), items(6), guess)
        losses[gamma] = loss.item()
    J_y = terms['J_y'].item()
    assert J_y < -0.1
    assert losses[1.0] == pytest.approx(losses[0.0] - J_y, rel=1e-5)
    assert losses[3.0] == pytest.approx(losses[0.0] - 3 * J_y, rel=1e-5)


def test_guess_is_what_both_modalities_say_and_leaves_the_model_as_it_was() -> None:
    it = model().train()
    before = {name: value.clone() for name, value in it.state_dict().items()}
    guess = it.guess(items(6))
    assert it.training
    assert not guess.requires_grad
    assert all(torch.equal(before[name], value) for name, value in it.state_dict().items())
    assert torch.equal(guess, it.eval().probabilities(items(6)))
