# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from mm_perception.scaling import Scaling

FEATURES = {'rgb': torch.tensor([[1.0, 10.0], [3.0, 10.0], [5.0, 10.0]])}


def fitted(kind: str) -> Scaling:
    scaling = Scaling({'rgb': 2})
    scaling.fit(FEATURES, kind)  # type: ignore[arg-type]
    return scaling


def test_none_changes_nothing() -> None:
    assert torch.equal(fitted('none')(FEATURES)['rgb'], FEATURES['rgb'])


def test_global_makes_the_mean_square_one() -> None:
    assert fitted('global')(FEATURES)['rgb'].square().mean() == pytest.approx(1)


def test_feature_measures_from_the_minimum_by_the_spread() -> None:
    scaled = fitted('feature')(FEATURES)['rgb']
    torch.testing.assert_close(scaled[:, 0], torch.tensor([0.0, 1.0, 2.0]))  # spread 2
    torch.testing.assert_close(scaled[:, 1], torch.zeros(3))  # it never varies


@pytest.mark.parametrize('kind', ['none', 'global', 'feature'])
def test_scaled_features_are_never_negative(kind: str) -> None:
    unseen = {'rgb': torch.tensor([[0.0, 0.0], [0.5, 99.0]])}
    assert fitted(kind)(unseen)['rgb'].min() >= 0


def test_scaling_travels_in_the_state() -> None:
    other = Scaling({'rgb': 2})
    other.load_state_dict(fitted('feature').state_dict())
    assert torch.equal(other(FEATURES)['rgb'], fitted('feature')(FEATURES)['rgb'])
