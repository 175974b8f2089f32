# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any bytes are a recipe, or are refused in one line; so is any ``--set``."""

from __future__ import annotations

from fuzz.promises import attempt
from fuzz.scratch import written
from fuzz.yaml_seeds import BOMBS, shipped

from training.recipe import Recipe, read_recipe


def target(data: bytes) -> None:
    first, text = data[:1], data[1:]
    if first == b'=':
        recipe = attempt(lambda: read_recipe(None, [text.decode('utf-8', 'surrogateescape')]))
    else:
        path = written('recipe.yaml', data)
        recipe = attempt(lambda: read_recipe(path))
    if recipe is not None:
        assert Recipe.model_validate(recipe.model_dump()) == recipe
        assert recipe.model_settings({'rgb': 4}, 2).classes == 2


def seeds() -> list[bytes]:
    return [
        *shipped('training'),
        *BOMBS,
        *(b'=model.alpha=' + bomb for bomb in BOMBS),
        b'=optimisation.epochs=30',
        b'=pipeline.region.box=[0, 0, .5, .5]',
        b'=' + b'a.' * 1200 + b'a=1',
        b'=model.' + b'a.' * 1200 + b'a=1',
        b'=.=',
    ]
