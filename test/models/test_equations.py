# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every semi-supervised objective against the papers' expressions, written again in float64.

Nothing of the models is used but their weights and the order in which they draw their noise: the
networks (with batch normalisation in training), the densities and the sums over y stand here a
second time, plainly. Where the models take an expectation in closed form, so does this. Gradients
are compared as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mm_perception.models import ModelSettings, Widths, build_model

X = {'left': 7, 'right': 5}
A, Z, K, N, M = 6, 4, 3, 5, 9
ALPHA, BETA, TEMPERATURE = 0.7, 0.3, 0.1


class Networks:
    """f_MLP and the heads, from weights alone.

    Attributes:
        population: Batch norm takes its statistics from this many first rows; None: from all.

    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = {
            n: w.detach().double().requires_grad_()
            for n, w in weights.items()
            if w.is_floating_point()
        }
        self.population: int | None = None

    def linear(self, name: str, h: Tensor) -> Tensor:
        bias = self.weights.get(f'{name}.bias')
        h = h @ self.weights[f'{name}.weight'].T
        return h if bias is None else h + bias

    def br_layers(self, name: str, h: Tensor) -> Tensor:
        layer = 0
        while f'{name}.{layer}.weight' in self.weights:  # linear, batch norm, ReLU; again
            h = self.linear(f'{name}.{layer}', h)
            seen = h[: self.population]
            h = (h - seen.mean(0)) / (seen.var(0, unbiased=False) + 1e-5).sqrt()
            norm = f'{name}.{layer + 1}'
            h = h * self.weights[f'{norm}.weight'] + self.weights[f'{norm}.bias']
            h, layer = h.clamp_min(0), layer + 3
        return h

    def f_mlp(self, name: str, **inputs: Tensor) -> Tensor:
        each = [self.br_layers(f'{name}.trunk.branches.{n}', inputs[n]) for n in sorted(inputs)]
        return self.br_layers(f'{name}.trunk.joint', torch.cat(each, -1))

    def normal(self, name: str, **inputs: Tensor) -> tuple[Tensor, Tensor]:
        h = self.f_mlp(name, **inputs)
        variance = (1 + self.linear(f'{name}.variance', h).exp()).log() + 1e-6  # and the floor
        return self.linear(f'{name}.mean', h), variance

    def log_categorical(self, name: str, **inputs: Tensor) -> Tensor:
        logits = self.linear(f'{name}.logits', self.f_mlp(name, **inputs))
        return logits - logits.exp().sum(-1, keepdim=True).log()

    def log_p_x(self, name: str, x: Tensor, **inputs: Tensor) -> Tensor:
        h = self.f_mlp(name, **inputs)
        if f'{name}.logits.weight' in self.weights:  # Bernoulli
            mu = 1 / (1 + (-self.linear(f'{name}.logits', h)).exp())
            return (x * mu.log() + (1 - x) * (1 - mu).log()).sum(-1)
        mu = (1 + self.linear(f'{name}.mean', h).exp()).log()  # 'MSE over ≥ 0'
        return -((mu - x) ** 2).sum(-1)


def log_n(value: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return -0.5 * ((value - mean) ** 2 / variance + (2 * math.pi * variance).log()).sum(-1)


def normal_entropy(variance: Tensor) -> Tensor:
    return 0.5 * (2 * math.pi * math.e * variance).log().sum(-1)


def kl_to_prior(mean: Tensor, variance: Tensor) -> Tensor:
    """E_q(z)[log q(z) − log p(z)]."""
    return 0.5 * (variance + mean**2 - 1 - variance.log()).sum(-1)


def kl(p: tuple[Tensor, Tensor], q: tuple[Tensor, Tensor]) -> Tensor:
    return 0.5 * (p[1] / q[1] + (p[0] - q[0]) ** 2 / q[1] - 1 - (p[1] / q[1]).log()).sum(-1)


def randn(*size: int) -> Tensor:
    """Draw as the models do, in float32."""
    return torch.randn(*size).double()


Bound = Callable[[Tensor, Tensor, Tensor], Tensor]  # (rows, y, noise of z) to [rows]


def over_y(net: Networks, way: str, y: Tensor, log_q: Tensor, f: Bound) -> tuple[Tensor, Tensor]:
    """Give f of the labelled rows, and Σ_k q(y=k) f of the unlabelled ones, each way's."""
    label, known, hidden = torch.eye(K).double()[y], torch.arange(N), torch.arange(N, N + M)
    every = torch.cat([torch.eye(K).double()[[k] * M] for k in range(K)])
    if way == 'sum':
        noise = randn(N + K * M, Z)
        values = f(torch.cat([known] + [hidden] * K), torch.cat([label, every]), noise)
        return values[:N], sum(log_q[:, k].exp() * values[N + k * M :][:M] for k in range(K))
    gumbel = -torch.empty(M, K).exponential_().log().double()
    noise = randn(N + M, Z)
    rows = torch.arange(N + M)
    if way == 'gumbel':
        relaxed = ((log_q + gumbel) / TEMPERATURE).softmax(-1)
        values = f(rows, torch.cat([label, relaxed]), noise)
        return values[:N], values[N:]
    drawn = torch.eye(K).double()[(log_q + gumbel).argmax(-1)]
    net.population = N + M  # in the batch that is learned from, each class is tried
    values = f(
        torch.cat([rows] + [hidden] * K),
        torch.cat([label, drawn, every]),
        torch.cat([noise] + [noise[N:]] * K),
    )
    net.population = None
    each = values[N + M :].view(K, M)
    return values[:N], sum(log_q[:, k].exp() * each[k] for k in range(K))


def ss_mvae(net: Networks, x: dict[str, Tensor], y: Tensor, way: str) -> dict[str, Tensor]:
    log_q_y = net.log_categorical('q_y_x', **x)

    def f(rows: Tensor, y: Tensor, noise: Tensor) -> Tensor:
        mean, variance = net.normal('q_z_xy', **{m: v[rows] for m, v in x.items()}, y=y)
        z = mean + variance.sqrt() * noise
        log_p = [net.log_p_x(f'p_x_zy.{m}', v[rows], z=z, y=y) for m, v in x.items()]
        return sum(log_p) - kl_to_prior(mean, variance)

    L, U = over_y(net, way, y, log_q_y[N:], f)
    U = U + math.log(1 / K) - (log_q_y.exp() * log_q_y)[N:].sum(-1)
    return {'L': L.mean(), 'U': U.mean(), 'log_q_y': log_q_y[range(N), y].mean()}


def m2(net: Networks, x: dict[str, Tensor], y: Tensor, way: str) -> dict[str, Tensor]:
    net.weights = {n.removeprefix('ss_mvae.'): w for n, w in net.weights.items()}
    return ss_mvae(net, {'x': torch.cat([x['left'], x['right']], -1)}, y, way)


def sdgm(net: Networks, x: dict[str, Tensor], y: Tensor, way: str) -> dict[str, Tensor]:
    one = torch.cat([x['left'], x['right']], -1)
    mean_a, variance_a = net.normal('q_a_x', x=one)
    a = mean_a + variance_a.sqrt() * randn(N + M, A)
    log_q_y = net.log_categorical('q_y_ax', a=a, x=one)

    def f(rows: Tensor, y: Tensor, noise: Tensor) -> Tensor:
        mean, variance = net.normal('q_z_axy', a=a[rows], x=one[rows], y=y)
        z = mean + variance.sqrt() * noise
        log_p_x = net.log_p_x('p_x_azy', one[rows], a=a[rows], z=z, y=y)
        log_p_a = log_n(a[rows], *net.normal('p_a_zy', z=z, y=y))
        H_a = normal_entropy(variance_a)[rows]
        return log_p_x + log_p_a + math.log(1 / K) + H_a - kl_to_prior(mean, variance)

    L, U = over_y(net, way, y, log_q_y[N:], f)
    U = U - (log_q_y.exp() * log_q_y)[N:].sum(-1)
    return {'L': L.mean(), 'U': U.mean(), 'log_q_y': log_q_y[range(N), y].mean()}


def ss_hmvae(net: Networks, x: dict[str, Tensor], y: Tensor, way: str) -> dict[str, Tensor]:
    mean_a, variance_a = net.normal('q_a', **x)
    a = mean_a + variance_a.sqrt() * randn(N + M, A)
    log_q_y = net.log_categorical('q_y_a', a=a)
    log_p_x = sum(net.log_p_x(f'p_x_a.{m}', v, a=a) for m, v in x.items())

    def f(rows: Tensor, y: Tensor, noise: Tensor) -> Tensor:
        mean, variance = net.normal('q_z_ay', a=a[rows], y=y)
        z = mean + variance.sqrt() * noise
        log_p_a = log_n(a[rows], *net.normal('p_a_zy', z=z, y=y))
        H_a = normal_entropy(variance_a)[rows]
        log_p = log_p_x[rows] + log_p_a + math.log(1 / K)
        return log_p + H_a - kl_to_prior(mean, variance)

    L, U = over_y(net, way, y, log_q_y[N:], f)
    U = U - (log_q_y.exp() * log_q_y)[N:].sum(-1)
    return {'L': L.mean(), 'U': U.mean(), 'log_q_y': log_q_y[range(N), y].mean()}


def ss_hmvae_kl(net: Networks, x: dict[str, Tensor], y: Tensor, way: str) -> dict[str, Tensor]:
    q_a = net.normal('q_a', **x)
    each = [kl(q_a, net.normal(f'q_a_single.{m}', **{m: v})) for m, v in x.items()]
    return ss_hmvae(net, x, y, way) | {'J_div': sum(each).mean()}


@pytest.mark.parametrize('way', ['gumbel', 'sum', 'local_expectation'])
@pytest.mark.parametrize('networks', ['mnist', 'rgbd'])
@pytest.mark.parametrize('again', [ss_mvae, m2, sdgm, ss_hmvae, ss_hmvae_kl])
def test_objective_is_the_papers_expression(
    again: Callable[..., dict[str, Tensor]], networks: str, way: str
) -> None:
    torch.manual_seed(0)
    it = build_model(
        ModelSettings(
            name=again.__name__,
            networks=networks,
            modalities=X,
            classes=K,
            widths=Widths(hidden=16, a=A, z=Z),
            alpha=ALPHA,
            beta=BETA,
            label_inference=way,
            temperature=TEMPERATURE,
        )
    ).train()
    for module in it.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    labelled = {m: torch.rand(N, d) for m, d in X.items()}
    unlabelled = {m: torch.rand(M, d) for m, d in X.items()}
    y = torch.arange(N) % K

    torch.manual_seed(1)
    loss, terms = it.objective(labelled, y, unlabelled)
    torch.manual_seed(1)
    x = {m: torch.cat([labelled[m], unlabelled[m]]).double() for m in X}
    net = Networks(it.state_dict())
    weights = dict(net.weights)  # by the model's names
    expected = again(net, x, y, way)

    assert set(terms) == set(expected)
    for name, term in expected.items():
        assert terms[name].item() == pytest.approx(term.item(), rel=1e-5), name
    J = expected['L'] + ALPHA * expected['log_q_y'] + expected['U']
    J = J - BETA * expected.get('J_div', 0.0)
    assert loss.item() == pytest.approx(-J.item(), rel=1e-5)
    if way != 'local_expectation':  # whose gradient is not that of its value
        assert_same_gradients(it, loss, weights, -J)


def assert_same_gradients(
    it: nn.Module, loss: Tensor, weights: dict[str, Tensor], again: Tensor
) -> None:
    """Compare the gradient of every weight, up to rounding to float32."""
    names = [name for name, _ in it.named_parameters()]
    found = torch.autograd.grad(loss, list(it.parameters()))
    expected = torch.autograd.grad(again, [weights[name] for name in names])
    for name, gradient, true in zip(names, found, expected, strict=True):
        error = (gradient.double() - true).norm() / true.norm()
        assert error < 1e-5, f'{name}: {error:.1e}'
