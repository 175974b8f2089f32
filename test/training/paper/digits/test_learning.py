# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A trial from the real digits to its rows, in a small dose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mm_perception.errors import SettingsError, TrainingError
from mm_perception.models import SemiSupervised
from training.fitting.checkpoint import seconds_taken
from training.fitting.climb import Run
from training.interrupt import StoppedError
from training.paper.digits.learning import Task, choose_labels, learn, probabilities, results, score
from training.paper.digits.mnist import Mnist, read_mnist
from training.paper.digits.recipe import DigitsRecipe
from training.paper.digits.trials import Trial
from training.paper.digits.warp import Warp
from training.recipe import Optimisation

RUN = Run(torch.device('cpu'))
HALVES, NOISY = 'hmMNIST', 'nmMNIST(pi/4, 0.5)'


@pytest.fixture(scope='module')
def mnist(shared_data: Path) -> Mnist:
    return read_mnist(shared_data / 'mnist.npz')


def recipe(**changes: Any) -> DigitsRecipe:
    optimisation = Optimisation(epochs=2, batch_size=64, labelled_batch_size=64, learning_rate=3e-3)
    small = {'hidden': 32, 'unlabelled': 640, 'test': 100, 'optimisation': optimisation}
    return DigitsRecipe(name='quick', **(small | changes))


def task(mnist: Mnist, model: str = 'ss_hmvae_kl', data: str = HALVES, **changes: Any) -> Task:
    return Task(mnist, Trial(data=data, model=model), recipe(**changes), seed=0)


def test_labels_are_as_many_of_each_class_and_chosen_by_the_seed(mnist: Mnist) -> None:
    truth = mnist.train.labels
    rows = choose_labels(truth, 100, seed=3)
    assert torch.bincount(truth[rows]).tolist() == [10] * 10
    assert torch.equal(rows, choose_labels(truth, 100, seed=3))
    assert not torch.equal(rows, choose_labels(truth, 100, seed=4))
    assert len(choose_labels(truth, None, seed=3)) == len(truth)


@pytest.mark.parametrize('count', [15, 70_000])
def test_labels_that_cannot_be_as_many_of_each_class_are_refused(mnist: Mnist, count: int) -> None:
    with pytest.raises(TrainingError, match=f'{count} labels: .* take a multiple of 10'):
        choose_labels(mnist.train.labels, count, seed=0)


@pytest.mark.parametrize('data', [HALVES, NOISY])
@pytest.mark.parametrize('model', ['m2', 'ss_mvae', 'ss_hmvae', 'ss_hmvae_kl'])
def test_every_model_gives_a_row_for_each_way_to_meet_a_missing_modality(
    mnist: Mnist, model: str, data: str
) -> None:
    learned = learn(task(mnist, model, data, unlabelled=64), RUN)
    rows = [row for row, _ in results(learned)]
    ways = {'m2': [''], 'ss_mvae': ['zero fill'], 'ss_hmvae': ['zero fill', 'iterative']}
    assert [row.missing for row in rows] == ways.get(model, ['kl'])
    for row in rows:
        assert (row.x is None) == (row.w is None) == (model == 'm2')
        assert row.xw is not None
        assert row.ece_xw is not None
        assert (row.data, row.labels, row.recipe, row.epochs) == (data, '100', 'quick', 2)


def test_scores_rise_above_chance_and_are_the_same_each_time(mnist: Mnist) -> None:
    learned = learn(task(mnist, 'ss_hmvae', unlabelled=2000, hidden=64), RUN)
    for missing in ('zero fill', 'iterative'):
        one, again = (score(learned, missing) for _ in range(2))
        assert one['xw'].accuracy > 0.4  # of 10 classes; 0.60 was measured
        assert {m: s.accuracy for m, s in one.items()} == {m: s.accuracy for m, s in again.items()}


def test_ways_to_meet_a_missing_modality_differ_where_one_is_missing(mnist: Mnist) -> None:
    learned = learn(task(mnist, 'ss_hmvae'), RUN)
    given = {'x': torch.rand(20, 392, generator=torch.Generator().manual_seed(0))}
    filled = probabilities(learned.model, given, 'zero fill')
    assert not torch.allclose(filled, probabilities(learned.model, given, 'iterative'))
    whole = given | {'w': torch.zeros(20, 392)}
    assert torch.equal(filled, probabilities(learned.model, whole, 'iterative'))


def test_stopped_training_goes_on_to_what_not_stopping_had_given(
    mnist: Mnist, tmp_path: Path
) -> None:
    moving = task(mnist, warp=Warp(rotation=10))  # whose digits are drawn anew each time
    whole = learn(moving, RUN).model.state_dict()
    run, done = replace(RUN, checkpoint=tmp_path / 'c.safetensors', resume=True), [0]

    def count(_: object) -> None:
        done[0] += 1

    with pytest.raises(StoppedError, match='is kept: the same command goes on'):
        learn(moving, replace(run, report=count, stopping=lambda: done[0] >= 13))
    before = seconds_taken(tmp_path / 'c.safetensors')
    resumed = learn(moving, run)
    assert resumed.seconds > before > 0
    assert all(torch.equal(whole[n], v) for n, v in resumed.model.state_dict().items())


def test_looking_at_each_epoch_changes_nothing(mnist: Mnist) -> None:
    seen: list[tuple[bool, int]] = []

    def look(model: SemiSupervised, epoch: int) -> None:
        torch.rand(1)
        seen.append((model.training, epoch))

    plain = learn(task(mnist), RUN).model.state_dict()
    watched = learn(task(mnist), RUN, look)
    assert seen == [(False, 1), (False, 2)]
    assert all(torch.equal(plain[name], v) for name, v in watched.model.state_dict().items())


def test_another_recipe_seed_or_trial_is_another_identity(mnist: Mnist) -> None:
    first = task(mnist)
    others = [
        replace(first, seed=1),
        task(mnist, 'ss_hmvae'),
        task(mnist, hidden=64),
        task(mnist, warp=Warp()),
    ]
    assert len({one.identity() for one in (first, *others)}) == 5
    assert first.identity() == task(mnist).identity()


def test_a_setting_that_the_model_does_not_have_is_refused(mnist: Mnist) -> None:
    wrong = recipe().model_copy(update={'model': {'depth': 3}})
    with pytest.raises(SettingsError, match=r'model\.depth: Extra inputs'):
        learn(replace(task(mnist), recipe=wrong), RUN)
