# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Products in bfloat16 change a loss and its gradient by their rounding, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mm_perception.models import ModelSettings, SemiSupervised, build_model
from mm_perception.models.networks import Linear
from mm_perception.models.settings import Widths
from training.fitting.climb import UNLABELLED, Items, Run, climb
from training.fitting.precision import Precision, in_bfloat16, multiplied_in_bfloat16
from training.recipe import Optimisation

CPU = torch.device('cpu')
ROUNDING = 2**-8  # of one bfloat16 number


def learner(**settings: object) -> SemiSupervised:
    torch.manual_seed(0)
    sizes = {'modalities': {'x': 20, 'w': 30}, 'classes': 3, 'networks': 'mnist'}
    widths = Widths(hidden=64, a=16, z=8)
    given = {'name': 'ss_hmvae_kl', 'widths': widths, **sizes, **settings}
    return build_model(ModelSettings.model_validate(given)).train()


def rows(count: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.rand(count, d, generator=generator) for m, d in (('x', 20), ('w', 30))}


def test_bfloat16_is_taken_where_it_is_asked_for() -> None:
    assert in_bfloat16('bfloat16', CPU)
    assert not in_bfloat16('float32', CPU)


@pytest.mark.parametrize('native', [True, False])
def test_auto_takes_bfloat16_on_a_gpu_that_multiplies_it_itself(
    monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', supported)
    assert in_bfloat16('auto', torch.device('cuda')) == native


@pytest.mark.parametrize(
    ('flags', 'native'), [('avx512f avx512_bf16', True), ('amx_bf16', True), ('avx512f', False)]
)
def test_auto_takes_bfloat16_on_a_processor_that_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, flags: str, native: bool
) -> None:
    monkeypatch.setattr(Path, 'read_text', lambda *_, **__: f'flags\t\t: fpu {flags} sse2\n')
    assert in_bfloat16('auto', CPU) == native


def test_what_follows_a_product_has_the_precision_that_came_in() -> None:
    layer, values = Linear(300, 40), torch.randn(5, 300)
    with torch.autocast('cpu', torch.bfloat16):
        product = layer(values)
    assert product.dtype == torch.float32
    assert not torch.equal(product, layer(values))
    torch.testing.assert_close(product, layer(values), rtol=4 * ROUNDING, atol=4 * ROUNDING)
    assert layer.double()(values.double()).dtype == torch.float64


def test_loss_and_gradient_are_those_of_float32_but_for_rounding() -> None:
    found = []
    for wrap in (lambda objective, _: objective, multiplied_in_bfloat16):
        model = learner()
        batch = rows(30), torch.arange(30) % 3, rows(60, seed=1)
        torch.manual_seed(1)  # the same noise
        loss, terms = wrap(model.objective, CPU)(*batch)
        loss.backward()
        assert {term.dtype for term in terms.values()} == {torch.float32}
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        found.append((loss.detach(), gradient))
    (loss, gradient), (narrow_loss, narrow_gradient) = found
    assert gradient.dtype == narrow_gradient.dtype == torch.float32
    assert narrow_loss != loss
    assert narrow_loss.item() == pytest.approx(loss.item(), rel=ROUNDING)
    assert torch.cosine_similarity(gradient, narrow_gradient, 0) > 0.998


def test_recipe_says_in_how_many_bits_a_climb_multiplies() -> None:
    images, labels = rows(40), torch.arange(40) % 3
    labels[6:] = UNLABELLED
    items = Items(lambda at: {m: v[at] for m, v in images.items()}, labels)

    def climbed(precision: Precision) -> Tensor:
        model = learner()
        how = Optimisation(epochs=2, batch_size=16, learning_rate=1e-3, precision=precision)
        climb(items, model, model, how, Run(CPU), seed=0, identity='one')
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    narrow = climbed('bfloat16')
    assert torch.equal(narrow, climbed('bfloat16'))
    assert not torch.equal(narrow, climbed('float32'))
    torch.testing.assert_close(narrow, climbed('float32'), rtol=0, atol=0.02)
