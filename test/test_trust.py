# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.models import SSHMVAEKL, ModelSettings, Widths
from mm_perception.models.distributions import gaussian
from mm_perception.trust import Trust, contradiction, jeffreys, modes_of, shrunk_covariance


def settings(*modalities: str, a: int = 2) -> ModelSettings:
    return ModelSettings(
        modalities=dict.fromkeys(modalities or ('rgb', 'depth'), 3),
        classes=2,
        widths=Widths(hidden=4, a=a, z=2),
    )


def test_modes_are_all_modalities_together_and_each_alone() -> None:
    assert modes_of(['rgb', 'depth']) == {
        'rgbd': ('rgb', 'depth'),
        'rgb': ('rgb',),
        'depth': ('depth',),
    }
    assert modes_of(['depth']) == {'depth': ('depth',)}


def test_novelty_is_the_distance_to_the_nearest_class_in_standard_deviations() -> None:
    """Classes at (0, 0) and (10, 0), spread 2 along the first axis and 1 along the second."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(20_000, 2, generator=generator) * torch.tensor([2.0, 1.0])
    y = torch.arange(20_000) % 2
    trust = Trust(settings())
    trust.fit('rgb', spread + torch.tensor([[0.0, 0.0], [10.0, 0.0]])[y], y)
    asked = torch.tensor([[0.0, 0.0], [10.0, 3.0], [4.0, 0.0], [14.0, 0.0]])
    assert trust.novelty('rgb', asked).tolist() == pytest.approx([0, 3, 2, 2], abs=0.1)


def test_each_mode_has_its_own_idea_of_what_is_usual() -> None:
    trust = Trust(settings())
    a = torch.tensor([[0.0, 1.0], [1.0, 0.0], [5.0, 5.0], [6.0, 6.0]])
    y = torch.tensor([0, 0, 1, 1])
    before = trust.novelty('depth', a)
    trust.fit('rgb', a, y)
    assert torch.equal(trust.novelty('depth', a), before)
    assert not torch.equal(trust.novelty('rgb', a), before)


@given(st.integers(1, 12), st.integers(1, 24), st.sampled_from([0.0, 1e-4, 1.0, 1e4]))
def test_covariance_of_however_few_items_can_be_inverted(n: int, p: int, scale: float) -> None:
    residuals = torch.randn(n, p, generator=torch.Generator().manual_seed(n * p)) * scale
    covariance = shrunk_covariance(residuals)
    assert torch.isfinite(torch.linalg.cholesky(covariance.double())).all()
    assert torch.allclose(covariance, covariance.T)


def test_covariance_of_many_items_is_theirs() -> None:
    residuals = torch.randn(50_000, 2, generator=torch.Generator().manual_seed(0))
    residuals = residuals @ torch.tensor([[2.0, 0.0], [1.0, 0.5]])
    assert torch.allclose(
        shrunk_covariance(residuals), residuals.T @ residuals / len(residuals), atol=1e-2
    )


def test_jeffreys_divergence_is_none_of_equals_symmetric_and_as_worked_out_by_hand() -> None:
    one = gaussian(torch.tensor([[0.0, 0.0]]), torch.ones(1, 2))
    far = gaussian(torch.tensor([[3.0, 4.0]]), torch.ones(1, 2))
    wide = gaussian(torch.tensor([[0.0, 0.0]]), torch.full((1, 2), 4.0))
    assert jeffreys(one, one).item() == 0
    assert jeffreys(one, far).item() == pytest.approx(25 / 2)
    assert jeffreys(one, wide).item() == pytest.approx((4 + 1 / 4 - 2) / 2)  # σ² + 1/σ² − 2, halved
    assert jeffreys(one, wide).item() == pytest.approx(jeffreys(wide, one).item())


def test_contradiction_needs_two_modalities_and_grows_as_they_part() -> None:
    torch.manual_seed(0)
    model = SSHMVAEKL(settings()).eval()
    rgb, depth = torch.rand(5, 3), torch.rand(5, 3)
    found = contradiction(model, {'rgb': rgb, 'depth': depth})
    assert contradiction(model, {'rgb': rgb}) is None
    assert found is not None
    assert found.shape == (5,)
    by_hand = jeffreys(model.q_a_single['rgb'](rgb=rgb), model.q_a_single['depth'](depth=depth))
    assert torch.allclose(found, by_hand)
