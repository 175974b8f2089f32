# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What results of the Washington data set call a recipe, so that no two are taken for one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mm_perception.features import BackboneSettings
from training.paper.results import RecipeName, lasting
from training.recipe import PAPER, FineTuning, Recipe, read_recipe


def recipe_name(
    recipe: Recipe, fine_tuning: FineTuning | None, *, ours: str | None = None, quick: bool = False
) -> RecipeName:
    """Name a recipe: the paper's, shortened (or another backbone), longer, quick, ours, or own-….

    Epochs, the share of labels, the encoding of depth and the backbones' names have columns of
    their own, or a place in the data's name.

    Args:
        recipe: How a model is learned.
        fine_tuning: How backbones are; None leaves them as they are.
        ours: The shipped recipe that is called ours; None where there is none.
        quick: Whether the paper's is to be marked as a quick look.

    """
    published, settings = read_recipe(Path('washington')), _settings(recipe, fine_tuning)
    if settings != _settings(published, PAPER if fine_tuning else None):
        if ours is not None and settings == _settings(read_recipe(Path(ours)), None):
            return 'ours'
        text = json.dumps(settings, sort_keys=True)
        return f'own-{hashlib.sha256(text.encode()).hexdigest()[:6]}'
    if quick:
        return 'quick'
    names = {spec.name for spec in recipe.pipeline.backbones.values()}
    as_published = PAPER.model_copy(update={'seed': fine_tuning.seed}) if fine_tuning else None
    if names != {BackboneSettings().name} or fine_tuning is None or fine_tuning != as_published:
        return 'shortened'
    return lasting(recipe.optimisation.epochs, published.optimisation.epochs)


def _settings(recipe: Recipe, fine_tuning: FineTuning | None) -> dict[str, Any]:
    """All that decides a result and that its row does not say otherwise."""
    left: dict[str, Any] = recipe.model_dump(
        mode='json', exclude={'seed', 'efficiency', 'labelled_fraction'}
    )
    left['optimisation'].pop('epochs')
    left['pipeline']['preprocessing'].pop('depth_encoding')
    left['pipeline']['backbones'] = _backbones(recipe)
    if fine_tuning is not None:
        left['model'].pop('name', None)  # a table's model has a column
        left['fine_tuning'] = fine_tuning.model_dump(mode='json', exclude={'seed', 'epochs'})
    return left


def _backbones(recipe: Recipe) -> dict[str, Any]:
    """Leave out the name that all have, and whether ImageNet's weights come from a file."""
    specs = recipe.pipeline.backbones
    several = len({spec.name for spec in specs.values()}) > 1
    left = {'sha256'} if several else {'sha256', 'name'}
    return {
        str(modality): spec.model_dump(mode='json', exclude=left)
        | {'weights': 'random' if spec.weights == 'random' else 'imagenet'}
        for modality, spec in specs.items()
    }
