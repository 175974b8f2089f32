# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Learn a model's classifier q(y|x) alone, as table 6 does with all labels.

Suzuki & Matsuo 2018, §4.4: SDGM and SS-HMVAE are there "purely a map from input to output". The
classifier is taken at the mean of a, as it answers later; what generates stays as it began.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mm_perception.head import Head
from mm_perception.models import Objective
from mm_perception.models.semi_supervised import SemiSupervised
from training.fitting.climb import Items, Run, climb
from training.fitting.fit import TrainingData, check_labels, scaled_rows
from training.fitting.joined import pieces
from training.recipe import Recipe


def fit_classifier(data: TrainingData, recipe: Recipe, run: Run) -> Head:
    """Learn as ``fit`` does, but the classifier alone.

    Args:
        data: What to learn from; what has no label adds nothing.
        recipe: How.
        run: Where, and whom to tell.

    Raises:
        TrainingError, SettingsError, StoppedError: As for ``fit``.

    """
    check_labels(data)
    dimensions = {name: values.shape[1] for name, values in data.features.items()}
    torch.manual_seed(recipe.seed)
    head = Head(recipe.model_settings(dimensions, len(data.classes)))
    head.scaling.fit({n: pieces(table) for n, table in data.features.items()}, recipe.scaling)
    head.to(run.device).train()
    identity = hashlib.sha256(
        f'classifier {data.fingerprint()} {recipe.model_dump_json()}'.encode()
    ).hexdigest()
    climb(
        Items(scaled_rows(head.scaling, data, run.device), data.labels),
        _ClassifierOf(head.model),
        head,
        recipe.optimisation,
        run,
        seed=recipe.seed,
        identity=identity,
    )
    return head.cpu().eval().requires_grad_(False)


@dataclass(frozen=True)
class _ClassifierOf:
    """What ``climb`` learns by."""

    model: SemiSupervised

    def objective(
        self, labelled: Mapping[str, Tensor], y: Tensor, _unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        """Value −log q(y|x)."""
        q_y = self.model.probabilities(labelled)
        least = torch.finfo(q_y.dtype).tiny  # what is clamped learns nothing
        loss = functional.nll_loss(q_y.clamp_min(least).log(), y)
        return Objective(loss, {'log_q_y': -loss.detach()})
