# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Climb a semi-supervised objective: which items a step takes, its rate, and what an end keeps."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from mm_perception.errors import TrainingError
from mm_perception.models import SSHMVAEKL, Objective
from training.fitting.checkpoint import Keeper, Position, load_checkpoint
from training.fitting.distributed import ALONE, Ranks
from training.fitting.precision import in_bfloat16, multiplied_in_bfloat16
from training.fitting.step import Batch, TrainingStep
from training.interrupt import StoppedError
from training.recipe import Optimisation

UNLABELLED = -1
CHECKPOINT_SECONDS = 60.0


class Learner(Protocol):
    """A model that values a labelled and an unlabelled batch."""

    @property
    def objective(self) -> Callable[..., Objective]:
        """Gives the loss to minimise of labelled items, their classes, and unlabelled items.

        Where there is a ``guess`` it is the fourth argument.
        """


@dataclass(frozen=True)
class Items:
    """What there is to learn from.

    Attributes:
        draw: Gives the inputs [B, D_m] by modality of the rows [B], on the run's device. It may
            give others each time, drawn with torch's own random state.
        labels: [N] long: each row's class, or ``UNLABELLED``.
        guess: Gives what the model says of the rows as they are, [B, K], for a model that learns
            from its own guesses; None for another.

    """

    draw: Callable[[Tensor], Mapping[str, Tensor]]
    labels: Tensor
    guess: Callable[[Tensor], Tensor] | None = None


def learnable(
    model: nn.Module,
    draw: Callable[[Tensor], Mapping[str, Tensor]],
    labels: Tensor,
    still: Callable[[Tensor], Mapping[str, Tensor]] | None = None,
) -> Items:
    """Give a model its items, with its own guesses about them where it learns from those.

    Args:
        model: Which learns; only SS-HMVAE-kl with a ``gamma`` guesses.
        draw: See ``Items``.
        labels: See ``Items``.
        still: As ``draw``, but undisturbed; where not given, nothing is disturbed.

    """
    if not isinstance(model, SSHMVAEKL) or not model.settings.gamma:
        return Items(draw, labels)
    return Items(draw, labels, lambda rows: model.guess((still or draw)(rows)))


@dataclass(frozen=True)
class Progress:
    """Where a fit is, after a step.

    Attributes:
        done: Steps done.
        total: Steps of the whole fit.
        terms: The ``loss`` and the objective's terms in the last step, on the run's device.
        epoch_ended: Whether the step was an epoch's last.

    """

    done: int
    total: int
    terms: Mapping[str, Tensor]
    epoch_ended: bool = False


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    Attributes:
        epoch: Its number, from 1.
        losses: ``loss``, the objective as it is minimised, and its terms by name: each one's mean
            over the epoch's steps.

    """

    epoch: int
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Run:
    """How a fit is driven, beside its recipe.

    Attributes:
        device: Where it computes.
        checkpoint: Where its state is kept while it runs; None keeps none.
        checkpoint_every: Seconds between two times, or more where writing takes long.
        resume: Whether to go on from the checkpoint.
        report: Called after each step.
        epochs: Called after each epoch; a fit that goes on from a checkpoint first gives those
            that were over by then, so that whoever listens has them all, once and in order.
        stopping: Asked before each step; on True the state is kept and ``StoppedError`` raised.
        ranks: The processes that share out each batch; all have the same items. What is reported
            of a step's terms is then this one's part of them.

    """

    device: torch.device
    checkpoint: Path | None = None
    checkpoint_every: float = CHECKPOINT_SECONDS
    resume: bool = False
    report: Callable[[Progress], None] = lambda _: None
    epochs: Callable[[Epoch], None] = lambda _: None
    stopping: Callable[[], bool] = lambda: False
    ranks: Ranks = ALONE


def climb(
    items: Items,
    learner: Learner,
    state: nn.Module,
    optimisation: Optimisation,
    run: Run,
    *,
    seed: int,
    identity: str,
) -> float:
    """Train a model in place.

    Args:
        items: What to learn from.
        learner: The model, on the run's device, in ``train`` mode.
        state: The module that a checkpoint keeps: the model, or one that it is a part of.
        optimisation: How.
        run: Where, and whom to tell.
        seed: Of the order of the items.
        identity: Fingerprint of all that the result depends on; a checkpoint of another is refused.

    Returns:
        How long it took in seconds: all processes together, where it went on from a checkpoint.

    Raises:
        TrainingError: A checkpoint that cannot be read or written, or is of another run.
        StoppedError: ``run.stopping`` said so.

    """
    optimizer = torch.optim.Adam(
        [parameter for parameter in state.parameters() if parameter.requires_grad],
        lr=optimisation.learning_rate,
        fused=True,
    )
    position = _where_it_stands(run, identity, state, optimizer)
    began = time.monotonic() - position.seconds
    keeper = Keeper(
        run.checkpoint if run.ranks.first else None, run.checkpoint_every, state, optimizer
    )
    labels = items.labels.to(run.device)
    each = list(batches(items.labels, optimisation, seed, epoch=0))
    steps, sizes = len(each), [len(rows) for rows in each[0]]
    total = optimisation.epochs * steps
    objective = run.ranks.shared(learner.objective, *sizes)
    if in_bfloat16(optimisation.precision, run.device):
        objective = multiplied_in_bfloat16(objective, run.device)
    step_up = TrainingStep(objective, optimizer, steps=total, ranks=run.ranks)
    history = [dict(losses) for losses in position.history]
    for number, losses in enumerate(history):
        run.epochs(Epoch(number + 1, losses))
    sums = _Sums(position.sums, run)
    for epoch in range(position.epoch, optimisation.epochs):
        first = position.step if epoch == position.epoch else 0
        for step, rows in enumerate(batches(items.labels, optimisation, seed, epoch)):
            if step < first:
                continue
            stop, late = run.ranks.anywhere([run.stopping(), keeper.due()])
            if stop or late:
                seconds = time.monotonic() - began
                keeper.keep(Position(identity, epoch, step, history, sums.read(), seconds))
            if stop:
                raise StoppedError(_what_is_kept(run))
            rate = learning_rate(optimisation, epoch * steps + step, total)
            optimizer.param_groups[0]['lr'] = rate
            terms = step_up(*_batch(items, labels, rows, run.ranks))
            sums.add(terms)
            run.report(Progress(epoch * steps + step + 1, total, terms, step + 1 == steps))
        history.append({name: value / steps for name, value in sums.read().items()})
        sums = _Sums({}, run)
        run.epochs(Epoch(epoch + 1, history[-1]))
    # What comes after the fit may be interrupted, too.
    seconds = time.monotonic() - began
    keeper.keep(Position(identity, optimisation.epochs, history=history, seconds=seconds))
    return seconds


def _where_it_stands(
    run: Run, identity: str, state: nn.Module, optimizer: torch.optim.Adam
) -> Position:
    """Take up the checkpoint, if it is to be, the same one in all processes."""
    position = Position(identity)
    if run.resume and run.checkpoint is not None and run.checkpoint.is_file():
        position = load_checkpoint(run.checkpoint, identity, state, optimizer)
    if not run.ranks.agree(zlib.crc32(identity.encode()), position.epoch, position.step):
        raise TrainingError(
            f'{run.checkpoint}: the processes do not find the same recordings, labels, settings '
            'and checkpoint; put all on storage that every machine sees'
        )
    return position


def batches(
    labels: Tensor, optimisation: Optimisation, seed: int, epoch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the rows (labelled, unlabelled) of each step of an epoch, the same at each call.

    An epoch is one pass over the larger of the two sets; the smaller one is gone through again
    and again, shuffled anew each time.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    sets = [torch.nonzero(labels >= 0).flatten(), torch.nonzero(labels < 0).flatten()]
    sizes = [optimisation.labelled_batch_size, optimisation.batch_size]
    sizes = [min(size, len(rows)) for size, rows in zip(sizes, sets, strict=True)]
    steps = max(math.ceil(len(rows) / size) for rows, size in zip(sets, sizes, strict=True) if size)
    streams = [
        _stream(rows, steps * size, generator) for rows, size in zip(sets, sizes, strict=True)
    ]
    for step in range(steps):
        labelled, unlabelled = (
            stream[step * size : (step + 1) * size]
            for stream, size in zip(streams, sizes, strict=True)
        )
        yield labelled, unlabelled


def learning_rate(optimisation: Optimisation, done: int, total: int) -> float:
    """Give the rate of the step after ``done`` of ``total``."""
    if optimisation.schedule == 'constant':
        return optimisation.learning_rate
    return optimisation.learning_rate * 0.5 * (1 + math.cos(math.pi * done / total))


class _Sums:
    """Adds up an epoch's losses where they are, so that no step waits for them to be read."""

    def __init__(self, sums: Mapping[str, float], run: Run) -> None:
        self._names, self._ranks = list(sums), run.ranks
        before = list(sums.values()) if run.ranks.first else [0.0] * len(sums)
        self._values = torch.tensor(before, dtype=torch.float64, device=run.device)

    def add(self, terms: Mapping[str, Tensor]) -> None:
        if not self._names:
            self._names = list(terms)
            self._values = self._values.new_zeros(len(terms))
        self._values += torch.stack([terms[name] for name in self._names])

    def read(self) -> dict[str, float]:
        whole = self._ranks.sum(self._values.clone())
        return dict(zip(self._names, whole.tolist(), strict=True))


def _batch(
    items: Items, labels: Tensor, rows: tuple[Tensor, Tensor], ranks: Ranks
) -> tuple[Batch, ...]:
    """Give the objective's arguments: of the whole batch, or of this process's part of it."""
    labelled, unlabelled = (
        _part(items.draw(of_all), of_all, ranks)  # drawn whole: random states stay the same
        for of_all in (each.to(labels.device) for each in rows)
    )
    own = [each[ranks.slice(len(each))].to(labels.device) for each in rows]
    batch = labelled, labels[own[0]], unlabelled
    return batch if items.guess is None else (*batch, items.guess(own[1]))


def _part(drawn: Mapping[str, Tensor], rows: Tensor, ranks: Ranks) -> Mapping[str, Tensor]:
    return {name: values[ranks.slice(len(rows))] for name, values in drawn.items()}


def _stream(rows: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Repeat rows up to a length, each time in another order."""
    if not length:
        return rows[:0]
    passes = math.ceil(length / len(rows))
    orders = [torch.randperm(len(rows), generator=generator) for _ in range(passes)]
    return rows[torch.cat(orders)[:length]]


def _what_is_kept(run: Run) -> str:
    if run.checkpoint is None:
        return 'stopped; nothing of this fit is kept'
    how = '' if run.resume else ' with --resume'
    return f'stopped; {run.checkpoint} is kept: the same command{how} goes on'
