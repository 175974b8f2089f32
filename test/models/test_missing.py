# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A missing modality: what stands in for it, and that nothing of it comes through."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import one_hot

from mm_perception.models import (
    SDGM,
    SSHMVAE,
    SSMVAE,
    ModelSettings,
    SemiSupervised,
    Widths,
    build_model,
    iterative_sampling,
    zero_fill,
)

THREE = {'depth': 5, 'rgb': 8, 'touch': 3}
NAMES = ['m2', 'sdgm', 'ss_mvae', 'ss_hmvae', 'ss_hmvae_kl']
B = 4


@cache
def model(name: str, networks: str = 'mnist') -> SemiSupervised:
    torch.manual_seed(0)
    it = build_model(
        ModelSettings(
            name=name,
            networks=networks,
            modalities=THREE,
            classes=3,
            widths=Widths(hidden=16, a=6, z=4),
        )
    )
    for _ in range(3):  # running statistics of its own
        it.objective(items(), torch.arange(B) % 3, items())
    return it.eval().requires_grad_(False)


def items() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {m: torch.rand(B, d, generator=generator) for m, d in THREE.items()}


METHODS = {
    'as the model does': lambda _, inputs: inputs,
    'zero fill': zero_fill,
    'iterative': lambda it, inputs: iterative_sampling(it, inputs, iterations=2),
}


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('name', NAMES)
@settings(max_examples=12)
@example(present={'rgb'}, values=(math.nan, math.inf), samples=0)
@given(
    present=st.sets(st.sampled_from(sorted(THREE)), min_size=1, max_size=2),
    values=st.tuples(st.floats(width=32), st.floats(width=32)),
    samples=st.sampled_from([0, 2]),
)
def test_values_of_a_missing_modality_never_change_the_output(
    name: str, method: str, present: set[str], values: tuple[float, float], samples: int
) -> None:
    """Not even when the model has just seen them, whatever they are."""
    it, x = model(name), items()
    hidden = {
        m: torch.full_like(x[m], v) for m, v in zip(sorted(set(x) - present), values, strict=False)
    }

    def answer(shown: dict[str, Tensor]) -> Tensor:
        it.probabilities(shown)
        inputs = {m: shown[m] for m in shown if m in present}
        torch.manual_seed(2)
        return it.probabilities(METHODS[method](it, inputs), samples)

    assert torch.equal(answer(x | hidden), answer(x))
    assert answer(x).isfinite().all()


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('name', NAMES)
def test_values_of_a_modality_that_is_there_do_change_the_output(name: str, method: str) -> None:
    it, x = model(name), items()

    def answer(rgb: Tensor) -> Tensor:
        torch.manual_seed(2)
        return it.probabilities(METHODS[method](it, {'rgb': rgb}))

    assert not torch.equal(answer(x['rgb']), answer(1 - x['rgb']))


# --- zero fill -----------------------------------------------------------------------------------


def test_zero_fill_puts_zeros_for_what_is_missing_and_keeps_the_rest() -> None:
    x = items()

    filled = zero_fill(model('ss_hmvae'), {'rgb': x['rgb']})

    assert set(filled) == set(THREE)
    assert filled['rgb'] is x['rgb']
    assert torch.equal(filled['depth'], torch.zeros(B, 5))
    assert torch.equal(filled['touch'], torch.zeros(B, 3))


# --- iterative sampling --------------------------------------------------------------------------


def noise(*missing: str) -> dict[str, Tensor]:
    return {m: torch.rand(B, d) for m, d in THREE.items() if m in missing}


def test_iterative_sampling_of_ss_hmvae_is_equation_11() -> None:
    it, x = model('ss_hmvae'), items()
    assert isinstance(it, SSHMVAE)

    torch.manual_seed(3)
    completed = iterative_sampling(it, {'rgb': x['rgb']}, iterations=2)

    torch.manual_seed(3)
    expected = noise('depth', 'touch') | {'rgb': x['rgb']}
    for _ in range(2):
        q_a = it.q_a(**expected)
        a = q_a.mean + q_a.stddev * torch.randn(B, 6)
        expected['depth'] = it.p_x_a['depth'](a=a).mean
        expected['touch'] = it.p_x_a['touch'](a=a).mean
    torch.testing.assert_close(completed, expected)


def test_iterative_sampling_of_ss_mvae_goes_through_class_and_style() -> None:
    it, x = model('ss_mvae'), items()
    assert isinstance(it, SSMVAE)

    torch.manual_seed(3)
    completed = iterative_sampling(it, {'rgb': x['rgb'], 'touch': x['touch']}, iterations=1)

    torch.manual_seed(3)
    given = noise('depth') | {m: x[m] for m in ('rgb', 'touch')}
    y = one_hot(it.q_y_x(**given).probs.multinomial(1).squeeze(-1), 3).float()
    q_z = it.q_z_xy(**given, y=y)
    z = q_z.mean + q_z.stddev * torch.randn(B, 4)
    torch.testing.assert_close(completed, given | {'depth': it.p_x_zy['depth'](z=z, y=y).mean})


def test_iterative_sampling_of_sdgm_goes_through_all_its_latent_variables() -> None:
    it, x = model('sdgm'), items()
    assert isinstance(it, SDGM)

    torch.manual_seed(3)
    completed = iterative_sampling(it, {'rgb': x['rgb'], 'touch': x['touch']}, iterations=1)

    torch.manual_seed(3)
    given = noise('depth') | {m: x[m] for m in ('rgb', 'touch')}
    one = torch.cat([given['depth'], given['rgb'], given['touch']], -1)
    q_a = it.q_a_x(x=one)
    a = q_a.mean + q_a.stddev * torch.randn(B, 6)
    y = one_hot(it.q_y_ax(a=a, x=one).probs.multinomial(1).squeeze(-1), 3).float()
    q_z = it.q_z_axy(a=a, x=one, y=y)
    z = q_z.mean + q_z.stddev * torch.randn(B, 4)
    decoded = it.p_x_azy(a=a, z=z, y=y).mean[:, :5]
    torch.testing.assert_close(completed, given | {'depth': decoded})


@pytest.mark.parametrize('networks', ['mnist', 'rgbd'])
@pytest.mark.parametrize('name', NAMES)
def test_what_is_imagined_is_a_possible_input(name: str, networks: str) -> None:
    it, x = model(name, networks), items()

    completed = iterative_sampling(it, {'touch': x['touch']}, iterations=5)

    assert {m: v.shape for m, v in completed.items()} == {m: v.shape for m, v in x.items()}
    assert completed['touch'] is x['touch']
    for m in ('rgb', 'depth'):
        assert (completed[m] >= 0).all()
        assert networks == 'rgbd' or (completed[m] <= 1).all()
        assert not completed[m].requires_grad


@pytest.mark.parametrize('name', NAMES)
def test_when_nothing_is_missing_nothing_is_imagined(name: str) -> None:
    x = items()
    before = torch.get_rng_state()

    completed = iterative_sampling(model(name), x)

    assert all(completed[m] is x[m] for m in THREE)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize('complete', [zero_fill, iterative_sampling])
@pytest.mark.parametrize('odd', [(), ('sound',), ('rgb', 'sound')])
def test_no_modality_or_an_unknown_one_is_refused(complete: object, odd: tuple[str, ...]) -> None:
    assert callable(complete)

    with pytest.raises(ValueError, match=r"give one or more of \['depth', 'rgb', 'touch'\]"):
        complete(model('ss_hmvae'), {m: torch.zeros(2, 8) for m in odd})
