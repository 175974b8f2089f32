# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a step takes, and at which rate; that a climb resumes exactly is told in test_fit.py."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mm_perception.models import Objective
from training.fitting.checkpoint import seconds_taken
from training.fitting.climb import UNLABELLED, Items, Run, batches, climb, learning_rate
from training.interrupt import StoppedError
from training.recipe import Optimisation


def test_every_row_is_gone_through_once_an_epoch_in_another_order_each_time() -> None:
    labels = torch.full((50,), UNLABELLED)
    labels[:6] = 1
    epochs = [list(batches(labels, Optimisation(batch_size=16), 0, epoch)) for epoch in (0, 1)]
    for steps in epochs:
        unlabelled = torch.cat([rows for _, rows in steps])
        assert set(unlabelled.tolist()) == set(range(6, 50))
        assert all(sorted(rows.tolist()) == list(range(6)) for rows, _ in steps)
        assert [len(rows) for _, rows in steps] == [16, 16, 16]  # a last one of 12 is filled up
    assert not torch.equal(epochs[0][0][1], epochs[1][0][1])
    again = list(batches(labels, Optimisation(batch_size=16), 0, 1))
    assert all(torch.equal(a[1], b[1]) for a, b in zip(epochs[1], again, strict=True))


def test_cosine_schedule_begins_at_the_rate_and_ends_near_zero() -> None:
    cosine = Optimisation(learning_rate=0.1, schedule='cosine')
    rates = [learning_rate(cosine, done, 100) for done in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[50] == pytest.approx(0.05)
    assert rates[-1] < 1e-4
    assert rates == sorted(rates, reverse=True)
    assert learning_rate(Optimisation(learning_rate=0.1), 99, 100) == 0.1


class Slow(nn.Module):
    """Takes ten seconds a step, by a clock of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.now = 0.0

    def objective(
        self, _labelled: Mapping[str, Tensor], _y: Tensor, _unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        self.now += 10
        loss = self.weight.square().sum()
        return Objective(loss, {'L': loss.detach()})


def without_seconds(checkpoint: Path) -> None:
    """Make a checkpoint what it was before it told them."""
    with safe_open(checkpoint, framework='pt') as file:
        position = json.loads(file.metadata()['position'])
    del position['seconds']
    save_file(load_file(checkpoint), checkpoint, {'position': json.dumps(position)})


@pytest.mark.parametrize('told', [True, False])
def test_seconds_are_those_of_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    model, checkpoint = Slow(), tmp_path / 'checkpoint.safetensors'
    monkeypatch.setattr('training.fitting.climb.time', SimpleNamespace(monotonic=lambda: model.now))
    labels = torch.full((36,), UNLABELLED)
    labels[:4] = 0
    items = Items(lambda rows: {'x': rows[:, None].float()}, labels)
    how = Optimisation(epochs=2, batch_size=8)  # of four steps each

    def climbed(stop: float = 1e9) -> float:
        run = Run(torch.device('cpu'), checkpoint, resume=True, stopping=lambda: model.now >= stop)
        return climb(items, model, model, how, run, seed=0, identity='one')

    with pytest.raises(StoppedError):
        climbed(stop=30)
    assert seconds_taken(checkpoint) == 30
    if not told:
        without_seconds(checkpoint)
    model.now = 1000
    assert climbed() == seconds_taken(checkpoint) == (80 if told else 50)
    assert climbed() == (80 if told else 50)  # it is finished
