# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Run the trials of an experiment one after the other; what is done already is not done again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from mm_perception.errors import TrainingError
from mm_perception.models.semi_supervised import SemiSupervised
from training.evaluation.evaluate import Scores
from training.fitting.climb import Run
from training.interrupt import stoppable
from training.paper.digits.learning import Learned, Task, learn, results, score
from training.paper.digits.learning_curve import note, read_curve
from training.paper.digits.mnist import Mnist
from training.paper.digits.recipe import DigitsRecipe
from training.paper.digits.trials import Trial
from training.paper.provenance import provenance
from training.paper.results import Result, append, read
from training.progress import progress_bars

_SHOWN = {'x': 'x', 'w': 'w', 'xw': 'x+w'}


@dataclass(frozen=True)
class Suite:
    """Where runs compute, and where they leave what they find.

    Attributes:
        mnist: The digits.
        recipe: How every trial is learned.
        results: The file to which each run adds its rows.
        workdir: Where checkpoints and learning curves are kept.
        device: Where to compute.
        console: Where progress is shown.

    """

    mnist: Mnist
    recipe: DigitsRecipe
    results: Path
    workdir: Path
    device: torch.device
    console: Console

    def run(self, trials: Iterable[Trial], seeds: Iterable[int]) -> None:
        """Train and score what the file of results does not have yet, seed by seed.

        Raises:
            TrainingError, SettingsError: See ``learn`` and ``append``.
            StoppedError: Ctrl-C; the same command goes on where it stopped.

        """
        provenance()  # the commit of the code that is loaded, whatever is committed while it runs
        todo = [Task(self.mnist, trial, self.recipe, seed) for seed in seeds for trial in trials]
        for number, task in enumerate(todo, start=1):
            if self.is_done(task):
                continue
            learned = self.learn(task, f'[{number}/{len(todo)}] {_title(task)}')
            for row, scores in results(learned):
                append(self.results, row)
                self.console.print(_told(task, row), highlight=False)
                for lost in _lost(scores):
                    self.console.print(lost, highlight=False)

    def is_done(self, task: Task) -> bool:
        """Whether the file has every row of a task."""
        found = [
            result.missing
            for result in read(self.results)
            if task.trial.made(result)
            and result.recipe == task.recipe.name
            and result.epochs == task.recipe.optimisation.epochs
            and result.seed == task.seed
        ]
        return set(task.trial.missing) <= set(found)

    def learn(self, task: Task, title: str = '', curve: Path | None = None) -> Learned:
        """Train a model, or take it as its checkpoint has it.

        Args:
            task: What to train.
            title: What the progress bar is called.
            curve: A file to which the accuracy given both modalities is added after each epoch.

        """

        def look(model: SemiSupervised, epoch: int) -> None:
            assert curve is not None  # its only caller's check  # noqa: S101
            note(curve, epoch, _accuracy(Learned(task, model, 0.0)))

        with progress_bars(self.console) as progress, stoppable() as stopping:
            bar = progress.add_task(title or _title(task), total=None)
            run = Run(
                self.device,
                _checkpoint_of(curve) if curve else self.checkpoint(task),
                resume=True,
                report=lambda p: progress.update(bar, total=p.total, completed=p.done),
                stopping=stopping,
            )
            return learn(task, run, look if curve else None)

    def checkpoint(self, task: Task) -> Path:
        """Name the file that keeps a task's state; another recipe has another."""
        words = re.sub(r'[^a-z0-9.]+', '-', _title(task).lower()).strip('-')
        return self.workdir / f'{words}-{task.identity()[:8]}.safetensors'

    def curve(self, task: Task) -> list[float]:
        """Give the accuracy in % given both modalities, epoch by epoch; trains where needed.

        The training has a checkpoint of its own: a table's of the same task knows no curve.

        Raises:
            TrainingError, SettingsError, StoppedError: As for ``learn``; also where the curve's
                file lacks epochs that a checkpoint has passed.

        """
        path = self.checkpoint(task).with_suffix('.csv')
        self.workdir.mkdir(parents=True, exist_ok=True)
        wanted = range(1, task.recipe.optimisation.epochs + 1)
        if not path.is_file():
            _checkpoint_of(path).unlink(missing_ok=True)
        if not path.is_file() or not read_curve(path).keys() >= set(wanted):
            learned = self.learn(task, curve=path)
            if wanted[-1] not in read_curve(path):  # torn; the finished model is that epoch's
                note(path, wanted[-1], _accuracy(learned))
        found = read_curve(path)
        if missing := [epoch for epoch in wanted if epoch not in found]:
            raise TrainingError(
                f'{path}: lacks epoch {missing[0]}; delete it to learn the curve anew'
            )
        return [found[epoch] for epoch in wanted]


def _checkpoint_of(curve: Path) -> Path:
    return curve.with_suffix('.curve.safetensors')


def _accuracy(learned: Learned) -> float:
    """Score a model by both modalities, in per cent."""
    return 100 * score(learned, '', ('xw',))['xw'].accuracy


def _title(task: Task) -> str:
    return f'{task.trial.title}, {task.recipe.name}, seed {task.seed}'


def _told(task: Task, row: Result) -> str:
    found = {'x': row.x, 'w': row.w, 'xw': row.xw}
    scores = ', '.join(
        f'{_SHOWN[mode]} {value:.2f} %' for mode, value in found.items() if value is not None
    )
    how = f', {row.missing}' if row.missing not in {'', 'kl'} else ''
    return f'{task.trial.title}{how}, seed {row.seed}: {scores}'


def _lost(scores: Mapping[str, Scores]) -> Iterator[str]:
    """Say which digits a mode never recognises: their class was merged with others in training."""
    for mode, found in scores.items():
        if found.lost:
            digits = ', '.join(map(str, found.lost))
            yield f'  never recognised, {_SHOWN[mode]}: {digits}; another --seed may do better'
