# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SS-HMVAE and SS-HMVAE-kl in the symbols of Pixyz, where it is installed (0.3.3 was).

The authors' own library builds the losses from the formulas; the networks and their weights are
ours, and so is the order of the draws: a, then y, then z.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mm_perception.models import SSHMVAE, SSHMVAEKL, ModelSettings, Widths, build_model

distributions = pytest.importorskip('pixyz.distributions')
losses = pytest.importorskip('pixyz.losses')

X = {'x': 7, 'w': 5}
A, Z, K, B, TEMPERATURE = 6, 4, 3, 5, 0.1


def normal(network: nn.Module, var: str, cond_var: list[str], name: str) -> nn.Module:
    class OfNetwork(distributions.Normal):
        def __init__(self) -> None:
            super().__init__(var=[var], cond_var=cond_var, name=name)

        def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
            it = network(**inputs)
            return {'loc': it.mean, 'scale': it.stddev}

    return OfNetwork()


def bernoulli(network: nn.Module, var: str) -> nn.Module:
    class OfNetwork(distributions.Bernoulli):
        def __init__(self) -> None:
            super().__init__(var=[var], cond_var=['a'], name='p')

        def forward(self, a: Tensor) -> dict[str, Tensor]:
            return {'probs': network(a=a).mean}

    return OfNetwork()


class Formulas:
    """L, L_l, U and J_div of eq. 8, 6, 9 and 12."""

    def __init__(self, it: SSHMVAE) -> None:
        class Classifier(distributions.Categorical):
            def __init__(self) -> None:
                super().__init__(var=['y'], cond_var=['a'], name='q')

            def forward(self, a: Tensor) -> dict[str, Tensor]:
                return {'probs': it.q_y_a(a=a).probs}

        class Draw(distributions.Deterministic):  # y by Gumbel-softmax; its noise is ours
            def __init__(self) -> None:
                super().__init__(var=['y'], cond_var=['a'], name='g')

            def forward(self, a: Tensor) -> dict[str, Tensor]:
                logits = it.q_y_a(a=a).logits
                gumbel = -torch.empty_like(logits).exponential_().log()
                return {'y': ((logits + gumbel) / TEMPERATURE).softmax(-1)}

        q_a = normal(it.q_a, 'a', ['x', 'w'], 'q')
        q_z = normal(it.q_z_ay, 'z', ['a', 'y'], 'q')
        p_a = normal(it.p_a_zy, 'a', ['z', 'y'], 'p')
        zeros, ones = torch.zeros(Z).double(), torch.ones(Z).double()
        p_z = distributions.Normal(loc=zeros, scale=ones, var=['z'], features_shape=[Z])
        p_y = distributions.Categorical(probs=torch.full((K,), 1 / K).double(), var=['y'])
        q_y = Classifier()

        L = bernoulli(it.p_x_a['x'], 'x').log_prob() + bernoulli(it.p_x_a['w'], 'w').log_prob()
        L = L + p_a.log_prob() + p_y.log_prob()
        L = L - losses.KullbackLeibler(q_z, p_z) + losses.Entropy(q_a)
        self.L = L.expectation(q_z).expectation(q_a).mean()
        self.L_l = (L.expectation(q_z) + q_y.log_prob()).expectation(q_a).mean()
        U = (L + losses.Entropy(q_y)).expectation(q_z)
        self.U = U.expectation(Draw()).expectation(q_a).mean()
        singles = it.q_a_single if isinstance(it, SSHMVAEKL) else {}
        kl = [losses.KullbackLeibler(q_a, normal(singles[m], 'a', [m], 'l')) for m in singles]
        self.J_div = sum(kl).mean() if kl else 0.0


def model(name: str) -> SSHMVAE:
    torch.manual_seed(0)
    settings = ModelSettings(
        name=name,
        networks='mnist',
        modalities=X,
        classes=K,
        widths=Widths(hidden=16, a=A, z=Z),
        temperature=TEMPERATURE,
    )
    return build_model(settings).double().eval()


def items() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {m: torch.rand(B, d, generator=generator).double() for m, d in X.items()}


def by_formula(formula: nn.Module, **given: Tensor) -> float:
    torch.manual_seed(2)  # the same draws
    return formula.eval(given).item()


@pytest.mark.parametrize('name', ['ss_hmvae', 'ss_hmvae_kl'])
def test_labelled_objective_is_pixyzs(name: str) -> None:
    it, y = model(name), torch.arange(B) % K
    formulas, given = Formulas(it), items() | {'y': torch.eye(K).double()[y]}

    torch.manual_seed(2)
    loss, terms = it.objective(items(), y, {})

    J = formulas.L_l - formulas.J_div
    assert loss.item() == pytest.approx(-by_formula(J, **given), rel=1e-5)
    assert terms['L'].item() == pytest.approx(by_formula(formulas.L, **given), rel=1e-5)


@pytest.mark.parametrize('name', ['ss_hmvae', 'ss_hmvae_kl'])
def test_unlabelled_objective_is_pixyzs(name: str) -> None:
    it = model(name)
    formulas = Formulas(it)

    torch.manual_seed(2)
    loss, terms = it.objective({}, torch.zeros(0, dtype=torch.long), items())

    J = formulas.U - formulas.J_div
    assert loss.item() == pytest.approx(-by_formula(J, **items()), rel=1e-5)
    assert terms['U'].item() == pytest.approx(by_formula(formulas.U, **items()), rel=1e-5)


def test_divergence_is_pixyzs() -> None:
    it = model('ss_hmvae_kl')

    _, terms = it.objective({}, torch.zeros(0, dtype=torch.long), items())

    J_div = by_formula(Formulas(it).J_div, **items())
    assert terms['J_div'].item() == pytest.approx(J_div, rel=1e-5)
    assert J_div > 0
