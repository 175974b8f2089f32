# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch

from mm_perception.models.objective import mean, stacked

NAMES = ('rgb', 'depth')


def batch(items: int, value: float = 0.0) -> dict[str, torch.Tensor]:
    return {'rgb': torch.full((items, 2), value), 'depth': torch.full((items, 3), value)}


def labels(items: int) -> torch.Tensor:
    return torch.zeros(items, dtype=torch.long)


def test_labelled_rows_stand_before_unlabelled_ones() -> None:
    x = stacked(batch(2, 1.0), labels(2), batch(3, 7.0), NAMES)

    assert x['rgb'][:, 0].tolist() == [1, 1, 7, 7, 7]
    assert x['depth'].shape == (5, 3)


@pytest.mark.parametrize('nothing', [{}, batch(0)])
def test_either_batch_may_be_empty(nothing: dict[str, torch.Tensor]) -> None:
    assert len(stacked(nothing, labels(0), batch(3), NAMES)['rgb']) == 3
    assert len(stacked(batch(2), labels(2), nothing, NAMES)['rgb']) == 2


@pytest.mark.parametrize('nothing', [{}, batch(0)])
def test_two_empty_batches_are_refused(nothing: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match='neither a labelled nor an unlabelled item'):
        stacked(nothing, labels(0), nothing, NAMES)


@pytest.mark.parametrize(('items', 'given'), [(2, 3), (2, 0), (0, 2)])
def test_labels_are_as_many_as_labelled_items(items: int, given: int) -> None:
    labelled = batch(items) if items else {}

    with pytest.raises(ValueError, match=f'with {given} labels'):
        stacked(labelled, labels(given), batch(3), NAMES)


@pytest.mark.parametrize('odd', [{'rgb': torch.zeros(3, 2)}, batch(3) | {'ir': torch.zeros(3, 1)}])
def test_a_batch_with_other_modalities_is_refused(odd: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r"the model needs \['depth', 'rgb'\]"):
        stacked(batch(2), labels(2), odd, NAMES)


def test_mean_of_nothing_is_zero_and_keeps_the_gradient_alive() -> None:
    rows = torch.zeros(0, requires_grad=True)

    mean(rows).backward()

    assert mean(rows).item() == 0
    assert mean(torch.tensor([1.0, 2.0, 6.0])).item() == 3
