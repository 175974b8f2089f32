# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Train what a figure shows, and draw it into the working folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from mm_perception.models import SSHMVAE
from training.paper.digits.generation import imagine
from training.paper.digits.learning import Learned, Task, pairs_of_test
from training.paper.digits.mnist import CLASSES, SIDE
from training.paper.digits.suite import Suite
from training.paper.digits.trials import Trial
from training.paper.figures import Generation, Images, figure4, figure5, figure6
from training.paper.published import HALVES
from training.paper.results import Missing, Result

_TITLES = {'zero fill': 'SS-HMVAE', 'iterative': 'SS-HMVAE, iterative', 'kl': 'SS-HMVAE-kl'}
_SIDES: dict[str, Literal['left', 'right']] = {'x': 'left', 'w': 'right'}


def draw_figure4(suite: Suite, trials: Sequence[Trial], seed: int) -> Path:
    """Draw the accuracy after each epoch for each weight of the classifier."""
    curves = [
        (trial.alpha, suite.curve(Task(suite.mnist, trial, suite.recipe, seed))) for trial in trials
    ]
    title = f'{trials[0].data}, {trials[0].labels} labels, recipe {suite.recipe.name}'
    return _write(suite.workdir, 'figure4', figure4(curves, title))


def draw_figure5(suite: Suite, trials: Sequence[Trial], seed: int) -> Path:
    """Draw each modality of ten test digits as the models make it from the other."""
    by_data: dict[str, list[Learned]] = {}
    for trial in trials:
        learned = suite.learn(Task(suite.mnist, trial, suite.recipe, seed))
        by_data.setdefault(trial.data, []).append(learned)
    drawn = {
        data: [_generation(models, wanted) for wanted in ('x', 'w')]
        for data, models in by_data.items()
    }
    return _write(suite.workdir, 'figure5', figure5(drawn))


def draw_figure6(results: Sequence[Result], workdir: Path) -> Path:
    """Draw the accuracy on each split of the Washington objects.

    Raises:
        TrainingError: There are no results of them.

    """
    return _write(workdir, 'figure6', figure6(results))


def _generation(models: Sequence[Learned], wanted: str) -> Generation:
    other = {'x': 'w', 'w': 'x'}[wanted]
    halves = models[0].task.trial.data == HALVES
    pairs = _one_of_each(models[0].task)
    made = {
        _TITLES[missing]: _images(_imagined(learned, pairs, wanted, missing))
        for learned in models
        for missing in learned.task.trial.missing
    }
    return Generation(
        f'{wanted} from {other}',
        _images(pairs[wanted]),
        made,
        _images(pairs[other]),
        _SIDES[other] if halves else None,
    )


def _imagined(
    learned: Learned, pairs: Mapping[str, Tensor], wanted: str, missing: Missing
) -> Tensor:
    assert isinstance(learned.model, SSHMVAE)  # as all of figure 5's trials  # noqa: S101
    device = next(learned.model.parameters()).device
    given = {name: rows.to(device) for name, rows in pairs.items() if name != wanted}
    torch.manual_seed(0)  # the same picture each time
    return imagine(learned.model, given, wanted, missing)


def _one_of_each(task: Task) -> dict[str, Tensor]:
    """Give the first test digit of each class."""
    labels = task.mnist.test.labels
    rows = torch.tensor([int(torch.nonzero(labels == n)[0]) for n in range(CLASSES)])
    return {name: values[rows] for name, values in pairs_of_test(task, int(rows.max()) + 1).items()}


def _images(pixels: Tensor) -> Images:
    images: Images = pixels.cpu().reshape(len(pixels), SIDE, -1).numpy()
    return images


def _write(workdir: Path, name: str, content: bytes) -> Path:
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / f'{name}.png'
    path.write_bytes(content)
    return path
