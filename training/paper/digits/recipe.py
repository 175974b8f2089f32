# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How the digits are learned: a recipe of ``config/paper``, or a file of the same form."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from mm_perception.errors import SettingsError
from training.config import config_folders
from training.paper.digits.warp import Warp
from training.paper.results import RecipeName, lasting
from training.recipe import Optimisation, read_settings, settings_of

if TYPE_CHECKING:
    from typing_extensions import Self


_ELSEWHERE = {
    'name': 'give it under trial:, as model',
    'alpha': 'give it under trial:',
    'beta': 'give it under trial:',
    'widths': 'give the hidden layers as hidden:, and a under trial:',
    'networks': "it is the digits' own",
    'modalities': "they are the digits' own",
    'classes': "they are the digits' own",
}
"""What a trial, the recipe or the digits say of a model, and where."""


class DigitsRecipe(BaseModel):
    """Every setting that a table's rows have in common."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    name: RecipeName = Field(
        description="What the results and the tables call it; a file of one's own: own."
    )
    model: dict[str, Any] = Field(
        default_factory=dict, description="The model's settings, but for what a row says."
    )
    trial: dict[str, Any] = Field(
        default_factory=dict,
        description='What every row trains in place of what it says, as {model: ss_hmvae_kl}.',
    )
    hidden: PositiveInt = Field(512, description='Units of every hidden layer.')
    optimisation: Optimisation = Field(description='How the objective is climbed.')
    unlabelled: PositiveInt | None = Field(
        None, description='Take so many unlabelled digits; all when not given.'
    )
    test: PositiveInt | None = Field(
        None, description='Score on the first so many test digits; all when not given.'
    )
    warp: Warp | None = Field(
        None,
        description=(
            'Draw every digit anew, and so moved, each time that it is seen; when not given, the '
            'pairs are made once.'
        ),
    )

    @model_validator(mode='after')
    def _says_each_thing_once(self) -> Self:
        for name in self.model:
            if name in _ELSEWHERE:
                raise ValueError(f'model.{name}: {_ELSEWHERE[name]}')
        return self


def read_digits_recipe(name: str, epochs: int | None = None) -> DigitsRecipe:
    """Read a recipe by name, or from a YAML file.

    Args:
        name: ``paper``, ``quick``, ``ours``, or a path.
        epochs: In place of the recipe's; fewer than the paper's make it ``shortened``, more
            ``longer``.

    Raises:
        SettingsError: No such recipe, or a wrong setting in it.

    """
    path = _find(name)
    recipe = _named(_read(path), path)
    if epochs is None or epochs == recipe.optimisation.epochs:
        return recipe
    changed = recipe.optimisation.model_copy(update={'epochs': epochs})
    published = recipe.optimisation.epochs
    called = lasting(epochs, published) if recipe.name == 'paper' else recipe.name
    return recipe.model_copy(update={'optimisation': changed, 'name': called})


def _read(path: Path) -> DigitsRecipe:
    return read_settings(DigitsRecipe, settings_of(path), [], f'recipe {path}')


def _named(recipe: DigitsRecipe, path: Path) -> DigitsRecipe:
    """Tell one's own recipes apart, and see that no other takes a shipped one's name.

    Results are told apart by the name: those of another recipe would be taken for a shipped one's.
    """
    if recipe.name.startswith('own'):
        settings = recipe.model_dump_json(exclude={'name': True, 'optimisation': {'epochs'}})
        fingerprint = hashlib.sha256(settings.encode()).hexdigest()[:6]
        return recipe.model_copy(update={'name': f'own-{fingerprint}'})
    shipped = _shipped(recipe.name)
    if shipped is None or _read(shipped) != recipe:
        raise SettingsError(
            f"recipe {path}: name: '{recipe.name}' is a shipped one's, which has other settings; "
            "call it 'own'"
        )
    return recipe


def _find(name: str) -> Path:
    if Path(name).is_file():
        return Path(name)
    if path := _shipped(name):
        return path
    files = [file for folder in config_folders() for file in (folder / 'paper').glob('*.yaml')]
    known = sorted({file.stem for file in files})
    raise SettingsError(f'recipe {name}: no such file, nor one of {", ".join(known)}')


def _shipped(name: str) -> Path | None:
    paths = (folder / 'paper' / f'{name}.yaml' for folder in config_folders())
    return next((path for path in paths if path.is_file()), None)
