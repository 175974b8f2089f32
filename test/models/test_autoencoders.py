# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""AE, MAE, VAE, JMVAE and JMVAE-kl against their equations, written out in float64.

The reference below knows nothing of the models' own code: it walks the linear layers by hand, as
the papers' network figures have them, and takes its noise from the same random state.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mm_perception.models import (
    JMVAE,
    JMVAEKL,
    MAE,
    AutoencoderSettings,
    Objective,
    build_autoencoder,
)
from mm_perception.models.autoencoder import Autoencoder
from mm_perception.models.distributions import nearest

LIKELIHOODS = {'image': 'gaussian', 'sound': 'nonnegative', 'tags': 'bernoulli'}
THREE = {'image': 5, 'sound': 4, 'tags': 3}
SEVERAL = ['mae', 'mvae', 'jmvae_kl']
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}


def model(name: str, seed: int = 0, **changes: Any) -> Autoencoder:
    modalities = THREE if name in SEVERAL else {'image': THREE['image']}
    torch.manual_seed(seed)
    settings = {
        'name': name,
        'modalities': modalities,
        'likelihoods': {m: LIKELIHOODS[m] for m in modalities},
        'hidden': 8,
        'z': 6,
    } | changes
    return build_autoencoder(AutoencoderSettings.model_validate(settings)).double()


def items(it: Autoencoder, count: int = 7, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        m: torch.rand(count, d, generator=generator, dtype=torch.float64)
        for m, d in it.modalities.items()
    }


def linear(layer: nn.Module, rows: Tensor) -> Tensor:
    return rows @ layer.get_parameter('weight').T + layer.get_parameter('bias')


def relu_layers(trunk: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    """MLP of each input by itself, side by side in the order of their names."""
    ends = []
    for m in sorted(inputs):
        rows = inputs[m]
        for layer in trunk.get_submodule(f'branches.{m}'):
            if isinstance(layer, nn.Linear):
                rows = linear(layer, rows).clamp_min(0)
        ends.append(rows)
    return torch.cat(ends, dim=1)


def positive(output: Tensor, kind: str) -> Tensor:
    """Eq. 8 of 2016, or eq. 2 of 2018 (whose floor is ours)."""
    if kind == 'exp_tanh':
        return ((output.exp() - (-output).exp()) / (output.exp() + (-output).exp())).exp()
    return (1 + output.exp()).log() + 1e-6


def gaussian_of(network: nn.Module, inputs: dict[str, Tensor], kind: str) -> tuple[Tensor, Tensor]:
    hidden = relu_layers(network.get_submodule('trunk'), inputs)
    mean = linear(network.get_submodule('mean'), hidden)
    return mean, positive(linear(network.get_submodule('variance'), hidden), kind)


def log_normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return -0.5 * ((x - mean) ** 2 / variance + variance.log() + math.log(2 * math.pi)).sum(1)


def log_likelihoods(it: Autoencoder, x: dict[str, Tensor], z: Tensor, kind: str) -> Tensor:
    """Σ_m log p(x_m|z)."""
    total = torch.zeros(len(z), dtype=torch.float64)
    for m, likelihood in it.settings.likelihoods.items():
        network = it.get_submodule(f'p_x_z.{m}')
        hidden = relu_layers(network.get_submodule('trunk'), {'z': z})
        if likelihood == 'gaussian':
            total += log_normal(x[m], *gaussian_of(network, {'z': z}, kind))
        elif likelihood == 'bernoulli':
            p = 1 / (1 + (-linear(network.get_submodule('logits'), hidden)).exp())
            total += (x[m] * p.log() + (1 - x[m]) * (1 - p).log()).sum(1)
        else:
            mean = (1 + linear(network.get_submodule('mean'), hidden).exp()).log()
            total -= ((mean - x[m]) ** 2).sum(1)
    return total


def bound(
    it: Autoencoder, x: dict[str, Tensor], kind: str, noise: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Eq. 1: U [B], from one sample; and the posterior's mean and variance."""
    mean, variance = gaussian_of(it.get_submodule('q_z'), x, kind)
    torch.manual_seed(3)
    z = mean + variance.sqrt() * torch.randn(mean.shape, dtype=noise)
    kl = 0.5 * (variance + mean**2 - 1 - variance.log()).sum(1)
    return log_likelihoods(it, x, z, kind) - kl, mean, variance


def objective(it: Autoencoder, x: dict[str, Tensor], dtype: torch.dtype) -> Objective:
    torch.manual_seed(3)
    return it.to(dtype).objective({m: rows.to(dtype) for m, rows in x.items()})


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('kind', ['exp_tanh', 'softplus'])
@pytest.mark.parametrize('layers', [1, 2])
@pytest.mark.parametrize('name', ['vae', 'mvae'])
def test_loss_of_vae_and_jmvae_is_equation_1(
    name: str, layers: int, kind: str, dtype: torch.dtype
) -> None:
    it = model(name, layers=layers, variance=kind)
    x, close = items(it), TOLERANCE[dtype]
    U, mean, variance = bound(it, x, kind, noise=dtype)

    loss, terms = objective(it, x, dtype)

    assert loss.item() == pytest.approx(-U.mean().item(), rel=close)
    assert terms['U'].item() == pytest.approx(U.mean().item(), rel=close)
    KL = 0.5 * (variance + mean**2 - 1 - variance.log()).sum(1).mean().item()
    assert terms['KL'].item() == pytest.approx(KL, rel=close)


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('kind', ['exp_tanh', 'softplus'])
def test_loss_of_jmvae_kl_is_equation_1_with_equation_12(kind: str, dtype: torch.dtype) -> None:
    it = model('jmvae_kl', beta=0.3, variance=kind)
    x, close = items(it), TOLERANCE[dtype]
    U, mean, variance = bound(it, x, kind, noise=dtype)
    J_div = torch.zeros(len(mean), dtype=torch.float64)
    for m in THREE:
        mean_m, variance_m = gaussian_of(it.get_submodule(f'q_z_single.{m}'), {m: x[m]}, kind)
        ratio, gap = variance / variance_m, (mean - mean_m) ** 2 / variance_m
        J_div += 0.5 * (ratio + gap - 1 - ratio.log()).sum(1)

    loss, terms = objective(it, x, dtype)

    assert terms['J_div'].item() == pytest.approx(J_div.mean().item(), rel=close)
    assert loss.item() == pytest.approx((0.3 * J_div - U).mean().item(), rel=close)


@pytest.mark.parametrize('dtype', TOLERANCE)
@pytest.mark.parametrize('name', ['ae', 'mae'])
def test_loss_of_ae_and_mae_is_the_reconstruction_alone(name: str, dtype: torch.dtype) -> None:
    it = model(name)
    x, close = items(it), TOLERANCE[dtype]
    z = linear(it.get_submodule('z'), relu_layers(it.get_submodule('hidden'), x))
    log_p_x = log_likelihoods(it, x, z, 'exp_tanh').mean().item()

    loss, terms = objective(it, x, dtype)

    assert loss.item() == pytest.approx(-log_p_x, rel=close)
    assert terms['log_p_x'].item() == pytest.approx(log_p_x, rel=close)


def test_networks_are_those_of_the_paper_for_flickr() -> None:
    settings = AutoencoderSettings(
        name='mvae',
        modalities={'image': 3857, 'tags': 2000},
        likelihoods={'image': 'gaussian', 'tags': 'bernoulli'},
    )
    with torch.device('meta'):
        it = build_autoencoder(settings)

    def shapes(network: str) -> list[tuple[int, int]]:
        parts = it.get_submodule(network).modules()
        return [(m.in_features, m.out_features) for m in parts if isinstance(m, nn.Linear)]

    encoder = [(3857, 1024), (1024, 1024), (2000, 1024), (1024, 1024)]  # §4.2
    assert shapes('q_z') == [*encoder, (2048, 2048), (2048, 2048)]
    assert shapes('p_x_z.image') == [(2048, 1024), (1024, 1024), (1024, 3857), (1024, 3857)]
    assert shapes('p_x_z.tags') == [(2048, 1024), (1024, 1024), (1024, 2000)]
    assert not any(isinstance(m, nn.BatchNorm1d) for m in it.modules())


def test_variance_of_the_paper_stays_between_1_over_e_and_e() -> None:
    it = model('vae')
    with torch.no_grad():
        it.get_submodule('q_z.variance').weight.mul_(1e4)

    variance = it.posterior(items(it)).variance  # type: ignore[operator]  # JMVAE's

    torch.testing.assert_close(variance.log().abs(), torch.ones_like(variance))


SUBSETS = [['image'], ['tags'], ['image', 'tags'], ['sound', 'tags'], [*THREE]]


@pytest.mark.parametrize('name', ['mae', 'mvae'])
@pytest.mark.parametrize('seen', SUBSETS)
def test_zero_fill_is_the_joint_encoder_with_zeros(name: str, seen: list[str]) -> None:
    it = model(name)
    x = items(it)
    filled = {m: rows if m in seen else torch.zeros_like(rows) for m, rows in x.items()}

    z = it.represent({m: x[m] for m in seen})

    if isinstance(it, MAE):
        by_hand = linear(it.z, relu_layers(it.hidden, filled))
    else:
        by_hand, _ = gaussian_of(it.get_submodule('q_z'), filled, 'exp_tanh')
    torch.testing.assert_close(z, by_hand)


def test_jmvae_kl_asks_the_encoder_of_what_there_is() -> None:
    it = model('jmvae_kl')
    assert isinstance(it, JMVAEKL)
    x = items(it)
    singles = {m: it.q_z_single[m](**{m: x[m]}) for m in THREE}

    for m in THREE:
        assert torch.equal(it.represent({m: x[m]}), nearest([singles[m]]).mean)
        torch.testing.assert_close(it.represent({m: x[m]}), singles[m].mean)
    two = it.posterior({'image': x['image'], 'tags': x['tags']})
    assert torch.equal(two.mean, nearest([singles['image'], singles['tags']]).mean)
    assert torch.equal(it.represent(x), it.q_z(**x).mean)
    zeros = {m: torch.zeros_like(rows) for m, rows in x.items()} | {'image': x['image']}
    assert torch.equal(it.zero_fill_posterior({'image': x['image']}).mean, it.q_z(**zeros).mean)


@given(
    name=st.sampled_from(SEVERAL),
    seen=st.sets(st.sampled_from([*THREE]), min_size=1, max_size=2),
    missing=st.sampled_from([0.0, 1.0, -1e6, math.inf, math.nan]),
    sampled=st.booleans(),
)
def test_values_of_a_missing_input_never_change_the_representation(
    name: str, seen: set[str], missing: float, sampled: bool
) -> None:
    """Not even those that the same model has seen just before with the same items."""
    it = model(name)
    x = items(it)

    def represent() -> Tensor:
        torch.manual_seed(2)
        return it.represent({m: rows for m, rows in x.items() if m in seen}, sampled=sampled)

    before = represent()
    for m in set(THREE) - seen:
        x[m].fill_(missing)
    it.represent(x)

    assert torch.equal(represent(), before)
    assert before.isfinite().all()


def test_a_sample_of_z_has_the_posteriors_mean_and_spread() -> None:
    it = model('mvae')
    assert isinstance(it, JMVAE)
    x = {m: rows[:1].expand(20_000, -1) for m, rows in items(it).items()}
    torch.manual_seed(0)

    z = it.represent(x, sampled=True)

    q_z = it.posterior({m: rows[:1] for m, rows in x.items()})
    four_standard_errors = 4 * (q_z.variance / len(z)).sqrt()
    assert ((z.mean(0) - q_z.mean).abs() < four_standard_errors).all()
    assert torch.allclose(z.var(0), q_z.variance[0], rtol=0.05)


@pytest.mark.parametrize('name', ['ae', 'mae'])
def test_a_sample_of_a_point_is_the_point(name: str) -> None:
    it = model(name)

    assert torch.equal(it.represent(items(it), sampled=True), it.represent(items(it)))


def test_divergence_reaches_the_joint_encoder_and_no_decoder() -> None:
    """Between two betas only β J_div differs."""

    def gradients(beta: float) -> dict[str, Tensor]:
        it = model('jmvae_kl', beta=beta)
        torch.manual_seed(3)
        it.objective(items(it)).loss.backward()
        return {n: p.grad.clone() for n, p in it.named_parameters() if p.grad is not None}

    none, one = gradients(0.0), gradients(1.0)

    moved = {n.split('.')[0] for n in one if not torch.allclose(none[n], one[n], atol=1e-12)}
    assert moved == {'q_z', 'q_z_single'}
    assert all(none[n].abs().sum() == 0 for n in none if n.startswith('q_z_single.'))


@pytest.mark.parametrize('name', SEVERAL)
def test_a_batch_without_all_modalities_is_not_learnt_from(name: str) -> None:
    it = model(name)
    x = items(it)

    with pytest.raises(ValueError, match=r"batch of \['image'\]: the model needs \['image', 's"):
        it.objective({'image': x['image']})
    with pytest.raises(ValueError, match='no item in the batch: give at least one'):
        it.objective({m: rows[:0] for m, rows in x.items()})


@pytest.mark.parametrize('name', SEVERAL)
@pytest.mark.parametrize('seen', [[], ['touch'], ['image', 'touch']])
def test_no_or_unknown_modalities_are_not_represented(name: str, seen: list[str]) -> None:
    it = model(name)

    with pytest.raises(ValueError, match=r'no representation of .* give one or more of'):
        it.represent({m: torch.zeros(2, 5, dtype=torch.float64) for m in seen})
