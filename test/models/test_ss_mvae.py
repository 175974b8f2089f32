# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SS-MVAE's own; its equations are in test_equations.py, its contract with all the others'."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mm_perception.models import SSMVAE, ModelSettings, Widths

TWO = {'depth': 5, 'rgb': 8}


def model(**changes: object) -> SSMVAE:
    torch.manual_seed(0)
    settings = {
        'name': 'ss_mvae',
        'networks': 'mnist',
        'modalities': TWO,
        'classes': 3,
        'widths': Widths(hidden=16, a=6, z=4),
    }
    return SSMVAE(ModelSettings.model_validate(settings | changes))


def items(count: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {m: torch.rand(count, d, generator=generator) for m, d in TWO.items()}


def test_a_model_whose_heads_are_all_zero_has_the_bounds_worked_out_by_hand() -> None:
    it = model().eval()
    with torch.no_grad():
        for name, parameter in it.named_parameters():
            if 'trunk' not in name:
                parameter.zero_()
    ln2, Z, D, K = math.log(2), 4, 5 + 8, 3

    _, terms = it.objective(items(4), torch.arange(4) % 3, items(6))

    # Every pixel's probability is ½, every class's ⅓, and q(z|x,y) is N(0, ln 2 · I). Where y is
    # hidden, log p(y) and the entropy of q(y|x) cancel out.
    L = -D * ln2 - Z / 2 * (ln2 - 1 - math.log(ln2))
    assert terms['L'].item() == pytest.approx(L, rel=1e-4)  # the variance has a floor
    assert terms['U'].item() == pytest.approx(L, rel=1e-4)
    assert terms['log_q_y'].item() == pytest.approx(-math.log(K))


def test_without_alpha_labelled_items_do_not_teach_the_classifier() -> None:
    it = model(alpha=0.0)

    it.objective(items(8), torch.arange(8) % 3, {}).loss.backward()

    taught = {
        n.split('.')[0] for n, p in it.named_parameters() if p.grad is not None and p.grad.any()
    }
    assert taught == {'p_x_zy', 'q_z_xy'}


def test_the_classifier_is_one_network_of_all_modalities() -> None:
    it, x = model().eval(), items(5)

    assert torch.equal(it.probabilities(x), it.q_y_x(**x).probs)
    zeros = {'depth': torch.zeros(5, 5), 'rgb': x['rgb']}
    assert torch.equal(it.probabilities({'rgb': x['rgb']}), it.q_y_x(**zeros).probs)
