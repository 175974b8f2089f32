# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a suite keeps of its runs, and does not do twice."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from mm_perception.errors import TrainingError
from training.paper.digits.learning import Task
from training.paper.digits.mnist import read_mnist
from training.paper.digits.recipe import DigitsRecipe
from training.paper.digits.suite import Suite
from training.paper.digits.trials import Trial
from training.paper.published import HALVES
from training.recipe import Optimisation


@pytest.fixture
def suite(shared_data: Path, tmp_path: Path) -> Suite:
    recipe = DigitsRecipe(
        name='quick',
        hidden=16,
        unlabelled=128,
        test=50,
        optimisation=Optimisation(epochs=2, batch_size=64),
    )
    return Suite(
        read_mnist(shared_data / 'mnist.npz'),
        recipe,
        tmp_path / 'results.csv',
        tmp_path,
        torch.device('cpu'),
        Console(file=io.StringIO()),
    )


def test_a_curve_is_learned_once_and_leaves_a_tables_checkpoint_alone(suite: Suite) -> None:
    task = Task(suite.mnist, Trial(data=HALVES, model='ss_mvae'), suite.recipe, 0)
    suite.learn(task)
    kept = suite.checkpoint(task).read_bytes()
    curve = suite.curve(task)
    assert len(curve) == 2
    files = {path: path.stat().st_mtime_ns for path in suite.workdir.iterdir()}
    assert suite.curve(task) == curve
    assert {path: path.stat().st_mtime_ns for path in suite.workdir.iterdir()} == files
    assert suite.checkpoint(task).read_bytes() == kept


def test_a_curve_that_lacks_an_epoch_is_told_and_learned_anew_where_it_is_deleted(
    suite: Suite,
) -> None:
    task = Task(suite.mnist, Trial(data=HALVES, model='ss_mvae'), suite.recipe, 0)
    curve = suite.curve(task)
    path = suite.checkpoint(task).with_suffix('.csv')
    path.write_text(path.read_text().splitlines(keepends=True)[1])
    with pytest.raises(TrainingError, match=r'lacks epoch 1; delete it'):
        suite.curve(task)
    path.unlink()
    assert suite.curve(task) == curve


@pytest.mark.parametrize('torn', ['', '2', '2,', '2,1'])
def test_a_finished_curve_whose_last_line_is_torn_is_mended(suite: Suite, torn: str) -> None:
    task = Task(suite.mnist, Trial(data=HALVES, model='ss_mvae'), suite.recipe, 0)
    curve = suite.curve(task)
    path = suite.checkpoint(task).with_suffix('.csv')
    first, _ = path.read_text().splitlines(keepends=True)
    path.write_text(first + torn)
    assert suite.curve(task) == curve


def test_a_digit_that_a_model_never_recognises_is_told(suite: Suite) -> None:
    suite.run([Trial(data=HALVES, model='ss_mvae')], [0])  # of 2 epochs: it knows few digits
    told = suite.console.file.getvalue()  # type: ignore[attr-defined]  # it is the one above
    assert '  never recognised, x+w: ' in told
