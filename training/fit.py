# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Learn a model from features of which few have a label."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mm_perception.bundle import Head
from mm_perception.errors import TrainingError
from mm_perception.models import ModelSettings
from training.checkpoint import Position, load_checkpoint, save_checkpoint
from training.interrupt import StoppedError
from training.recipe import Optimisation, Recipe

UNLABELLED = -1
_CHECKPOINT_SECONDS = 120.0


@dataclass(frozen=True)
class TrainingData:
    """Features and the labels that there are.

    Attributes:
        features: [N, D] ≥ 0 by modality.
        labels: [N] long: the class, or ``UNLABELLED``.
        classes: The class names.

    """

    features: dict[str, Tensor]
    labels: Tensor
    classes: tuple[str, ...]

    def fingerprint(self) -> str:
        """Identify the data, to tell whether a checkpoint belongs to it."""
        digest = hashlib.sha256(repr(self.classes).encode())
        digest.update(self.labels.numpy().tobytes())
        for name, values in sorted(self.features.items()):
            digest.update(name.encode())
            digest.update(values.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Progress:
    """Where a fit is, after a step.

    Attributes:
        done: Steps done.
        total: Steps of the whole fit.
        terms: The objective's terms in the last step, on the run's device.

    """

    done: int
    total: int
    terms: Mapping[str, Tensor]


@dataclass(frozen=True)
class Run:
    """How a fit is driven, beside its recipe.

    Attributes:
        device: Where it computes.
        checkpoint: Where its state is kept while it runs; None keeps none.
        resume: Whether to go on from the checkpoint.
        report: Called after each step.
        stopping: Asked before each step; on True the state is kept and ``StoppedError`` raised.

    """

    device: torch.device
    checkpoint: Path | None = None
    resume: bool = False
    report: Callable[[Progress], None] = lambda _: None
    stopping: Callable[[], bool] = lambda: False


def fit(data: TrainingData, recipe: Recipe, run: Run) -> Head:
    """Learn.

    Args:
        data: What to learn from; every class has to have a label.
        recipe: How.
        run: Where, and whom to tell.

    Returns:
        The trained scaling and model, on the CPU, in ``eval`` mode.

    Raises:
        TrainingError: Too few labels, or a checkpoint that does not fit.
        SettingsError: A model setting that is refused.
        StoppedError: ``run.stopping`` said so.

    """
    check_labels(data)
    dimensions = {name: values.shape[1] for name, values in data.features.items()}
    settings = recipe.model_settings(dimensions, len(data.classes))
    torch.manual_seed(recipe.seed)
    head, optimizer = _prepare(data, settings, recipe, run.device)
    identity = f'{data.fingerprint()} {recipe.model_dump_json()}'
    position = Position(hashlib.sha256(identity.encode()).hexdigest())
    if run.resume and run.checkpoint is not None and run.checkpoint.is_file():
        position = load_checkpoint(run.checkpoint, position.run, head, optimizer)
    _climb(data, head, optimizer, recipe, run, position)
    return head.cpu().eval().requires_grad_(False)


def check_labels(data: TrainingData) -> None:
    """Refuse data from which no classifier can be learned.

    Raises:
        TrainingError: Fewer than two classes, or a class without a labelled frame.

    """
    if len(data.classes) < 2:  # noqa: PLR2004 - one class needs no classifier
        found = ', '.join(data.classes) or 'none'
        raise TrainingError(f'labels: at least two classes are needed, found {found}')
    counts = torch.bincount(data.labels[data.labels >= 0], minlength=len(data.classes))
    missing = [name for name, n in zip(data.classes, counts.tolist(), strict=True) if not n]
    if missing:
        raise TrainingError(
            f'labels: no labelled training frame of {", ".join(missing)}; label some'
        )


def _prepare(
    data: TrainingData, settings: ModelSettings, recipe: Recipe, device: torch.device
) -> tuple[Head, torch.optim.Adam]:
    head = Head(settings)
    head.scaling.fit(data.features, recipe.scaling)
    head.to(device).train()
    optimizer = torch.optim.Adam(
        head.model.parameters(), lr=recipe.optimisation.learning_rate, fused=True
    )
    return head, optimizer


def _climb(
    data: TrainingData,
    head: Head,
    optimizer: torch.optim.Adam,
    recipe: Recipe,
    run: Run,
    position: Position,
) -> None:
    optimisation = recipe.optimisation
    features = head.scaling({name: v.to(run.device) for name, v in data.features.items()})
    labels = data.labels.to(run.device)
    steps = len(list(_batches(data.labels, optimisation, recipe.seed, epoch=0)))
    total, saved_at = optimisation.epochs * steps, time.monotonic()
    for epoch in range(position.epoch, optimisation.epochs):
        first = position.step if epoch == position.epoch else 0
        for step, batch in enumerate(_batches(data.labels, optimisation, recipe.seed, epoch)):
            if step < first:
                continue
            late = time.monotonic() - saved_at > _CHECKPOINT_SECONDS
            if (stop := run.stopping()) or late:
                _keep(run, Position(position.run, epoch, step), head, optimizer)
                saved_at = time.monotonic()
            if stop:
                raise StoppedError(_what_is_kept(run))
            rate = _learning_rate(optimisation, epoch * steps + step, total)
            optimizer.param_groups[0]['lr'] = rate
            terms = _step(head, optimizer, features, labels, batch)
            run.report(Progress(epoch * steps + step + 1, total, terms))
    # What comes after the fit may be interrupted, too.
    _keep(run, Position(position.run, optimisation.epochs), head, optimizer)


def _step(
    head: Head,
    optimizer: torch.optim.Adam,
    features: dict[str, Tensor],
    labels: Tensor,
    batch: tuple[Tensor, Tensor],
) -> dict[str, Tensor]:
    labelled, unlabelled = (rows.to(labels.device) for rows in batch)
    objective = head.model.objective(
        {name: values[labelled] for name, values in features.items()},
        labels[labelled],
        {name: values[unlabelled] for name, values in features.items()},
    )
    optimizer.zero_grad(set_to_none=True)
    objective.loss.backward()  # type: ignore[no-untyped-call]  # torch's own
    optimizer.step()
    return objective.terms


def _batches(
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


def _stream(rows: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Repeat rows up to a length, each time in another order."""
    if not length:
        return rows[:0]
    passes = math.ceil(length / len(rows))
    orders = [torch.randperm(len(rows), generator=generator) for _ in range(passes)]
    return rows[torch.cat(orders)[:length]]


def _learning_rate(optimisation: Optimisation, done: int, total: int) -> float:
    if optimisation.schedule == 'constant':
        return optimisation.learning_rate
    return optimisation.learning_rate * 0.5 * (1 + math.cos(math.pi * done / total))


def _keep(run: Run, position: Position, head: Head, optimizer: torch.optim.Adam) -> None:
    if run.checkpoint is not None:
        save_checkpoint(run.checkpoint, position, head, optimizer)


def _what_is_kept(run: Run) -> str:
    if run.checkpoint is None:
        return 'stopped; nothing of this fit is kept'
    return f'stopped; {run.checkpoint} is kept: the same command with --resume goes on'
