# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One trial on digits: choose the labels, learn, and score every choice of modalities."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from pydantic import ValidationError
from torch import Tensor

from mm_perception.errors import SettingsError, TrainingError
from mm_perception.models import ModelSettings, build_model
from mm_perception.models.missing import iterative_sampling, zero_fill
from mm_perception.models.semi_supervised import SemiSupervised
from mm_perception.models.settings import Widths
from training.evaluation.evaluate import Scores
from training.fitting.climb import UNLABELLED, Items, Progress, Run, climb, learnable
from training.fitting.precision import in_bfloat16
from training.paper.digits.mnist import CLASSES, Mnist
from training.paper.digits.pairs import PAIRS
from training.paper.digits.recipe import DigitsRecipe
from training.paper.digits.trials import Trial
from training.paper.provenance import provenance
from training.paper.results import Missing, Result

MODES = {'x': ('x',), 'w': ('w',), 'xw': ('w', 'x')}
"""What is given to the model, by the name that the results have for it."""

_Z = 64  # appendix A.1.1
_TRAIN_PAIRS, _TEST_PAIRS, _SAMPLING = 101, 102, 103
"""Seeds: the data sets are the same in all runs, but for what trains where a recipe takes some of
the unlabelled digits: the labelled ones, which a run's seed chooses, then come before the others,
and the noise is drawn in that order."""

_CHUNK = 1000


@dataclass(frozen=True)
class Task:
    """All that one training is of.

    Attributes:
        mnist: The digits.
        trial: The model, and on what.
        recipe: How it is learned.
        seed: Which labels, which first weights, which order.

    """

    mnist: Mnist
    trial: Trial
    recipe: DigitsRecipe
    seed: int

    def identity(self) -> str:
        """Fingerprint of all that the training depends on."""
        trial, recipe = self.trial.model_dump_json(), self.recipe.model_dump_json()
        whole = f'{trial} {recipe} {self.seed} {self.mnist.fingerprint}'
        return hashlib.sha256(whole.encode()).hexdigest()

    def build(self) -> SemiSupervised:
        """Build the model, with first weights from torch's random state.

        Raises:
            SettingsError: A setting in the recipe that the model does not have.

        """
        trial, dimension = self.trial, PAIRS[self.trial.data].dimension
        settings = self.recipe.model | {
            'name': trial.model,
            'networks': 'mnist',
            'modalities': {'x': dimension, 'w': dimension},
            'classes': CLASSES,
            'widths': Widths(hidden=self.recipe.hidden, a=trial.a, z=_Z),
            'alpha': trial.alpha,
            'beta': trial.beta,
        }
        try:
            return build_model(ModelSettings.model_validate(settings))
        except ValidationError as error:
            first = error.errors()[0]
            name = '.'.join(str(part) for part in first['loc'])
            raise SettingsError(
                f'recipe {self.recipe.name}: model.{name}: {first["msg"]}'
            ) from error


@dataclass(frozen=True)
class Learned:
    """A trained model.

    Attributes:
        task: What it was trained by.
        model: In ``eval`` mode, on the device of the run.
        seconds: How long the training took, in all its processes.

    """

    task: Task
    model: SemiSupervised
    seconds: float


def learn(
    task: Task, run: Run, each_epoch: Callable[[SemiSupervised, int], None] | None = None
) -> Learned:
    """Train a model.

    Args:
        task: All that it is of.
        run: Where, and whom to tell.
        each_epoch: Told of the model, in ``eval`` mode, after every epoch, and of its number, from
            1. What it draws changes nothing.

    Raises:
        SettingsError, TrainingError, StoppedError: As for ``climb``; also where there are fewer
            digits of a class than labels are asked for.

    """
    torch.manual_seed(task.seed)
    model = task.build().to(run.device).train()
    epochs = task.recipe.optimisation.epochs

    def report(progress: Progress) -> None:
        run.report(progress)
        if each_epoch and progress.epoch_ended:
            with _own_random_state(run.device):
                each_epoch(model.eval(), progress.done * epochs // progress.total)
            model.train()

    seconds = climb(
        _items(task, model, run.device),
        model,
        model,
        task.recipe.optimisation,
        replace(run, report=report),
        seed=task.seed,
        identity=task.identity(),
    )
    return Learned(task, model.eval(), seconds)


def choose_labels(labels: Tensor, count: int | None, seed: int) -> Tensor:
    """Choose the rows that keep their label, as many of each class as of any other.

    Args:
        labels: [N] classes.
        count: How many in all; None takes every row.
        seed: Of the choice.

    Returns:
        [count] rows.

    Raises:
        TrainingError: The count is no multiple of the classes, or a class has too few digits.

    """
    if count is None:
        return torch.arange(len(labels))
    each, rest = divmod(count, CLASSES)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    rows = [order[labels[order] == number][:each] for number in range(CLASSES)]
    if rest or any(len(of_class) < each for of_class in rows):
        raise TrainingError(
            f'{count} labels: not the same number of each of {CLASSES} classes; take a multiple '
            f'of {CLASSES}, and no more than there are'
        )
    return torch.cat(rows)


def score(
    learned: Learned, missing: Missing, modes: tuple[str, ...] = tuple(MODES)
) -> dict[str, Scores]:
    """Score a model on the test digits.

    Args:
        learned: The model.
        missing: How it meets a missing modality.
        modes: Of 'x', 'w', 'xw': what is given.

    Returns:
        The scores by mode.

    """
    task = learned.task
    labels = task.mnist.test.labels[: task.recipe.test]
    device = next(learned.model.parameters()).device
    pairs = pairs_of_test(task, len(labels))
    scores = {}
    for mode in modes:
        given = {name: pairs[name] for name in MODES[mode]}
        with _own_random_state(device):
            torch.manual_seed(_SAMPLING)  # iterative sampling draws; a score is the same each time
            parts = [
                probabilities(
                    learned.model,
                    {name: rows[start : start + _CHUNK].to(device) for name, rows in given.items()},
                    missing,
                ).cpu()
                for start in range(0, len(labels), _CHUNK)
            ]
        scores[mode] = Scores(labels.numpy(), torch.cat(parts).double().numpy())
    return scores


def _own_random_state(device: torch.device) -> AbstractContextManager[None]:
    """Leave torch's random states, the device's too, as they were before."""
    devices = [device] if device.type == 'cuda' else []
    return torch.random.fork_rng(devices)


def probabilities(model: SemiSupervised, given: Mapping[str, Tensor], missing: Missing) -> Tensor:
    """Classify [B, D_m] by modality, what is missing being met in one of the ways; [B, K]."""
    with torch.inference_mode():
        if len(given) < len(model.modalities) and missing == 'zero fill':
            given = zero_fill(model, given)
        elif len(given) < len(model.modalities) and missing == 'iterative':
            given = iterative_sampling(model, given)
        return model.probabilities(given)


def pairs_of_test(task: Task, count: int) -> dict[str, Tensor]:
    """Make the pairs of the first test digits, [count, D_m] by modality, the same in every run."""
    return _pairs(task, task.mnist.test.images[:count], _TEST_PAIRS)


def results(learned: Learned) -> list[tuple[Result, dict[str, Scores]]]:
    """Measure a model in each way in which it can meet a missing modality: a row, and its scores.

    The scores are by mode, see ``MODES``.
    """
    task, trial = learned.task, learned.task.trial
    device = next(learned.model.parameters()).device
    commit, machine = provenance(device.type)
    if in_bfloat16(task.recipe.optimisation.precision, device):
        machine += ', bfloat16'
    rows = []
    for missing in trial.missing:
        scores = score(learned, missing, tuple(MODES) if missing else ('xw',))
        row = Result(
            commit=commit,
            machine=machine,
            device=device.type,
            seconds=learned.seconds,
            data=trial.data,
            model=trial.model,
            missing=missing,
            labels=str(trial.labels or 'all'),
            a=trial.a if trial.hierarchical else None,
            alpha=trial.alpha,
            beta=trial.beta if trial.model == 'ss_hmvae_kl' else None,
            recipe=task.recipe.name,
            epochs=task.recipe.optimisation.epochs,
            seed=task.seed,
            **{mode: 100 * found.accuracy for mode, found in scores.items()},
            **{f'ece_{mode}': 100 * f.calibration_error for mode, f in scores.items()},
        )
        rows.append((row, scores))
    return rows


def _items(task: Task, model: SemiSupervised, device: torch.device) -> Items:
    images, truth = task.mnist.train.images, task.mnist.train.labels
    labelled = choose_labels(truth, task.trial.labels, task.seed)
    labels = torch.full_like(truth, UNLABELLED)
    labels[labelled] = truth[labelled]
    if task.recipe.unlabelled is not None:
        kept = torch.nonzero(labels < 0).flatten()[: task.recipe.unlabelled]
        rows = torch.cat([labelled, kept])
        images, labels = images[rows], labels[rows]
    if task.recipe.warp is None:
        pairs = {m: v.to(device) for m, v in _pairs(task, images, _TRAIN_PAIRS).items()}
        return learnable(model, lambda rows: {m: v[rows] for m, v in pairs.items()}, labels)
    warp, make, on_device = task.recipe.warp, PAIRS[task.trial.data], images.to(device)

    def still(rows: Tensor) -> dict[str, Tensor]:
        return make(on_device[rows].float() / 255)

    def moved(rows: Tensor) -> dict[str, Tensor]:
        return make(warp(on_device[rows].float() / 255))

    return learnable(model, moved, labels, still)


def _pairs(task: Task, images: Tensor, seed: int) -> dict[str, Tensor]:
    """Make the pairs of a whole set, the same in every run that has the same digits in order."""
    generator = torch.Generator().manual_seed(seed)
    make = PAIRS[task.trial.data]
    chunks = torch.split(images, _CHUNK)
    parts = [make(part.float() / 255, generator) for part in chunks]
    return {m: torch.cat([part[m] for part in parts]) for m in parts[0]}
