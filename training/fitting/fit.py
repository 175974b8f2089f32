# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Learn a model from features of which few have a label."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from mm_perception.errors import TrainingError
from mm_perception.head import Head
from mm_perception.scaling import Scaling
from training.fitting.climb import UNLABELLED, Run, climb, learnable
from training.fitting.joined import Features, pieces, size
from training.recipe import Recipe

_SHARE = 0.4
"""Of a GPU's free memory; while the table is made it is there twice."""


@dataclass(frozen=True)
class TrainingData:
    """Features and the labels that there are.

    Attributes:
        features: [N, D] ≥ 0 by modality.
        labels: [N] long: the class, or ``UNLABELLED``.
        classes: The class names.
        views: As ``features``, of the same items seen differently, any number of times.

    """

    features: Mapping[str, Features]
    labels: Tensor
    classes: tuple[str, ...]
    views: tuple[Mapping[str, Features], ...] = ()

    @property
    def labelled(self) -> int:
        """How many have a label."""
        return int((self.labels != UNLABELLED).sum())

    def fingerprint(self) -> str:
        """Identify the data, to tell whether a checkpoint belongs to it."""
        digest = hashlib.sha256(repr(self.classes).encode())
        digest.update(self.labels.numpy().tobytes())
        for part in (self.features, *self.views):
            for name, values in sorted(part.items()):
                digest.update(name.encode())
                for piece in pieces(values):
                    digest.update(piece.contiguous().numpy().data)
        return digest.hexdigest()


Draw: TypeAlias = Callable[[Tensor], Mapping[str, Tensor]]
"""Takes rows [B], and gives their scaled features [B, D] by modality."""


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
    head.scaling.fit({n: pieces(table) for n, table in data.features.items()}, recipe.scaling)
    head.to(run.device).train()
    identity = f'{data.fingerprint()} {recipe.model_dump_json()}'
    still, drawn = drawn_rows(head.scaling, data, run.device)
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


def drawn_rows(scaling: Scaling, data: TrainingData, device: torch.device) -> tuple[Draw, Draw]:
    """Give rows as they are; and as drawn, themselves or a view, each as likely."""
    seen = [scaled_rows(scaling, replace(data, features=f), device) for f in data.views]
    still = scaled_rows(scaling, data, device)

    def draw(rows: Tensor) -> Mapping[str, Tensor]:
        which = torch.randint(1 + len(seen), (len(rows), 1)).to(rows.device)
        chosen = dict(still(rows))
        for number, view in enumerate(seen, 1):
            for name, values in view(rows).items():  # the same view of every modality
                chosen[name] = torch.where(which == number, values, chosen[name])
        return chosen

    return still, draw if seen else still


def scaled_rows(
    scaling: Scaling, data: TrainingData, device: torch.device
) -> Callable[[Tensor], Mapping[str, Tensor]]:
    """Give what takes rows [B] and gives their scaled features [B, D] by modality, on a device."""
    tables = _at_hand(data.features, device)

    def draw(rows: Tensor) -> Mapping[str, Tensor]:
        taken = {n: table[rows.to(table.device)].to(device) for n, table in tables.items()}
        scaled: Mapping[str, Tensor] = scaling(taken)
        return scaled

    return draw


def _at_hand(features: Mapping[str, Features], device: torch.device) -> Mapping[str, Features]:
    """Put features on a GPU that has room for them; elsewhere each batch is taken from disk."""
    if device.type != 'cuda':
        return features
    free, _ = torch.cuda.mem_get_info(device)
    if sum(map(size, features.values())) > _SHARE * free:
        return features
    return {n: torch.cat([p.to(device) for p in pieces(v)]) for n, v in features.items()}


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
