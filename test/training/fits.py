# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Small fits, and processes that share one."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from training.fitting.climb import UNLABELLED, Epoch, Run
from training.fitting.distributed import ALONE, Ranks
from training.fitting.fit import TrainingData, fit
from training.recipe import Optimisation, Recipe

CPU = torch.device('cpu')
WIDTHS = {'hidden': 16, 'a': 8, 'z': 4}
CLASSES = ('bowl', 'cap', 'mug')


def data(count: int = 60, labelled: int = 12, seed: int = 0) -> TrainingData:
    """Features around one centre a class, in two modalities."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.arange(count) % len(CLASSES)
    features = {
        name: torch.relu(
            torch.rand(len(CLASSES), size, generator=torch.Generator().manual_seed(size))[truth] * 4
            + 0.3 * torch.randn(count, size, generator=generator)
        )
        for name, size in (('rgb', 20), ('depth', 12))
    }
    labels = torch.full((count,), UNLABELLED)
    labels[:labelled] = truth[:labelled]
    return TrainingData(features, labels, CLASSES)


def recipe(model: dict[str, object] | None = None, **changes: object) -> Recipe:
    return Recipe(
        model={'widths': WIDTHS, **(model or {})},
        optimisation=Optimisation(
            **{'epochs': 3, 'batch_size': 16, 'learning_rate': 1e-3, **changes}
        ),
    )


def fit_all(folder: Path, cases: list[tuple[int, Recipe]], ranks: Ranks = ALONE) -> None:
    """Fit so many labelled items by each recipe; the first process leaves the weights.

    In double precision what is rounding, and what is not, cannot be mistaken for each other.
    """
    torch.set_default_dtype(torch.float64)
    if ranks.size > 1:
        dist.init_process_group(
            'gloo', init_method=f'file://{folder}/meet', rank=ranks.rank, world_size=ranks.size
        )
    for number, (labelled, how) in enumerate(cases):
        epochs: list[Epoch] = []
        head = fit(data(labelled=labelled), how, Run(CPU, ranks=ranks, epochs=epochs.append))
        losses = torch.tensor([list(epoch.losses.values()) for epoch in epochs])
        if ranks.first:
            save_file({**head.state_dict(), 'losses': losses}, folder / f'{number}.safetensors')
