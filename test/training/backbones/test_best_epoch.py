# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import torch
from torch import nn

from training.backbones.best_epoch import BestEpoch
from training.fitting.climb import Progress, Run


def lived(losses: Iterable[float], patience: int | None) -> tuple[BestEpoch, int]:
    """Let an epoch end with each loss; the weight is the epoch's number, from 1."""
    network = nn.Linear(1, 1)
    coming = iter(losses)
    best = BestEpoch(network, patience, lambda: next(coming))
    run = best.watching(Run(torch.device('cpu')))
    epoch = 0
    while not run.stopping():
        epoch += 1
        with torch.no_grad():
            network.weight.fill_(epoch)
        try:
            run.report(Progress(2 * epoch - 1, 100, {}, epoch_ended=False))
            run.report(Progress(2 * epoch, 100, {}, epoch_ended=True))
        except StopIteration:
            break
        if patience is None and epoch == 3:
            break
    return best, epoch


@pytest.mark.parametrize(
    ('losses', 'patience', 'ends', 'taken'),
    [
        ([3, 2, 1, 1, 1], 2, 5, 3),  # no better is not better
        ([1, 2, 3], 2, 3, 1),
        ([3, 4, 2, 5, 6, 0], 2, 5, 3),
        ([math.nan, math.nan], 2, 2, 0),  # never better than nothing: the weights before the first
    ],
)
def test_it_stops_after_its_patience_and_takes_the_best(
    losses: list[float], patience: int, ends: int, taken: int
) -> None:
    best, epoch = lived(losses, patience)
    assert best.over
    assert epoch == ends
    best.take()
    weight = float(best.network.weight.detach())
    assert weight == taken if taken else weight < 1


def test_without_patience_the_last_epoch_is_taken_and_nothing_is_asked() -> None:
    best, epoch = lived([], None)
    assert (best.over, epoch) == (False, 3)
    best.take()
    assert float(best.network.weight.detach()) == 3


def test_its_state_goes_on_where_it_was() -> None:
    best, _ = lived([2, 1, 3], 5)
    other = BestEpoch(nn.Linear(1, 1), 5, lambda: 0.5)
    other.load_state_dict(best.state_dict())
    assert (float(other.best), int(other.waited)) == (1, 1)
    other.take()
    assert float(other.network.weight.detach()) == 2


def test_the_users_own_stop_still_stops() -> None:
    best = BestEpoch(nn.Linear(1, 1), 5, lambda: 0.0)
    assert best.watching(Run(torch.device('cpu'), stopping=lambda: True)).stopping()
    assert not best.over
