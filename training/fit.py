# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Learn a model from features of which few have a label."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mm_perception.bundle import Head
from mm_perception.errors import TrainingError
from training.climb import UNLABELLED, Run, climb, learnable
from training.recipe import Recipe


@dataclass(frozen=True)
class TrainingData:
    """Features and the labels that there are.

    Attributes:
        features: [N, D] ≥ 0 by modality.
        labels: [N] long: the class, or ``UNLABELLED``.
        classes: The class names.
        views: [N, V, D] by modality: features of the same items, seen differently; empty for none.

    """

    features: dict[str, Tensor]
    labels: Tensor
    classes: tuple[str, ...]
    views: dict[str, Tensor] = field(default_factory=dict)

    @property
    def labelled(self) -> int:
        """How many have a label."""
        return int((self.labels != UNLABELLED).sum())

    def fingerprint(self) -> str:
        """Identify the data, to tell whether a checkpoint belongs to it."""
        digest = hashlib.sha256(repr(self.classes).encode())
        digest.update(self.labels.numpy().tobytes())
        for part in (self.features, self.views):
            for name, values in sorted(part.items()):
                digest.update(name.encode())
                digest.update(values.numpy().tobytes())
        return digest.hexdigest()


Draw = Callable[[Tensor], dict[str, Tensor]]


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
    head = Head(settings)
    head.scaling.fit(data.features, recipe.scaling)
    head.to(run.device).train()
    identity = f'{data.fingerprint()} {recipe.model_dump_json()}'
    still, drawn = _inputs(head, data, run.device)
    climb(
        learnable(head.model, drawn, data.labels, still),
        head.model,
        head,
        recipe.optimisation,
        run,
        seed=recipe.seed,
        identity=hashlib.sha256(identity.encode()).hexdigest(),
    )
    return head.cpu().eval().requires_grad_(False)


def _inputs(head: Head, data: TrainingData, device: torch.device) -> tuple[Draw, Draw]:
    """Give the rows' inputs as they are; and as drawn: themselves or a view, each as likely."""
    scaled = head.scaling({name: values.to(device) for name, values in data.features.items()})
    views = head.scaling({name: values.to(device) for name, values in data.views.items()})

    def still(rows: Tensor) -> dict[str, Tensor]:
        return {name: values[rows] for name, values in scaled.items()}

    def drawn(rows: Tensor) -> dict[str, Tensor]:
        count = next(iter(views.values())).shape[1]
        which = torch.randint(count + 1, (len(rows), 1)).to(device)  # the same of all modalities
        return {
            name: torch.where(which > 0, views[name][rows, which[:, 0] - 1], values[rows])
            for name, values in scaled.items()
        }

    return still, drawn if views else still


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
