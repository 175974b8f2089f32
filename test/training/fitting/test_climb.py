# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a step takes, and at which rate; that a climb resumes exactly is told in test_fit.py."""

from __future__ import annotations

import pytest
import torch

from training.fitting.climb import UNLABELLED, batches, learning_rate
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
