# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What an experiment on MIR Flickr trains, and how; ``experiment`` says why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mm_perception.errors import SettingsError
from mm_perception.models import AutoencoderSettings
from training.paper.published import FLICKR
from training.paper.results import Missing, RecipeName, Result, lasting
from training.recipe import Optimisation

Model: TypeAlias = Literal['ae', 'vae', 'mae', 'mvae', 'jmvae_kl']
View: TypeAlias = Literal['image', 'joined', 'both']

MODELS: tuple[Model, ...] = ('ae', 'vae', 'mae', 'mvae')
"""The paper's, in the order of its tables."""

MODALITIES: dict[View, tuple[str, ...]] = {
    'image': ('image',),
    'joined': ('joined',),
    'both': ('image', 'tags'),
}
"""What a model's inputs are called, by what it is shown."""

_MISSING: dict[Model, Missing] = {'mae': 'zero fill', 'mvae': 'zero fill', 'jmvae_kl': 'kl'}
_LIKELIHOODS = {'image': 'gaussian', 'joined': 'gaussian', 'tags': 'bernoulli'}


class FlickrRecipe(BaseModel):
    """How every model is learned; the defaults are the paper's, see ``experiment``."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    name: RecipeName = Field('paper', description='What the results call it.')
    model: dict[str, Any] = Field(
        default_factory=dict, description="The models' settings, where not the paper's."
    )
    optimisation: Optimisation = Field(
        Optimisation(epochs=100, batch_size=100, learning_rate=1e-3),
        description='How the objective is climbed.',
    )

    def lasting(self, epochs: int) -> FlickrRecipe:
        """Give the recipe with other epochs; the paper's is then ``shortened`` or ``longer``."""
        optimisation = self.optimisation.model_copy(update={'epochs': epochs})
        published = self.optimisation.epochs
        name = lasting(epochs, published) if self.name == 'paper' else self.name
        return self.model_copy(update={'name': name, 'optimisation': optimisation})


PAPER = FlickrRecipe()
QUICK = FlickrRecipe(
    name='quick',
    model={'hidden': 256, 'z': 256},
    optimisation=Optimisation(epochs=5, batch_size=100, learning_rate=1e-3),
)
"""Narrow networks and few epochs."""


@dataclass(frozen=True)
class Task:
    """One model on one division: all that a row of results depends on, beside the data."""

    model: Model
    recipe: FlickrRecipe
    seed: int
    split: int

    @property
    def plan(self) -> dict[View, dict[Literal['x', 'xw'], View]]:
        """What the model learns from; and of that, what a test item gives it for each column."""
        if self.model in {'ae', 'vae'}:
            return {'image': {'x': 'image'}, 'joined': {'xw': 'joined'}}  # settings 1 and 2
        return {'both': {'x': 'image', 'xw': 'both'}}  # settings 4 and 3

    @property
    def missing(self) -> Missing:
        """How the model meets missing tags."""
        return _MISSING.get(self.model, '')

    @property
    def beta(self) -> float | None:
        """Weight of the divergence, where there is one."""
        return self.recipe.model.get('beta', 1.0) if self.model == 'jmvae_kl' else None

    def made(self, result: Result) -> bool:
        """Whether a result is this task's."""
        recipe = (self.recipe.name, self.recipe.optimisation.epochs)
        ours = (FLICKR, self.model, self.missing, self.beta, *recipe, self.seed, self.split)
        return ours == (
            result.data,
            result.model,
            result.missing,
            result.beta,
            result.recipe,
            result.epochs,
            result.seed,
            result.split,
        )

    def settings(self, dimensions: Mapping[str, int]) -> AutoencoderSettings:
        """Give the model's settings for inputs of these dimensions.

        Raises:
            SettingsError: One that the model does not have, or not with this value.

        """
        given = {
            'name': self.model,
            'modalities': dict(dimensions),
            'likelihoods': {m: _LIKELIHOODS[m] for m in dimensions},
        }
        try:
            return AutoencoderSettings.model_validate(self.recipe.model | given)
        except ValidationError as error:
            first = error.errors()[0]
            name = '.'.join(str(part) for part in first['loc'])
            message = f'recipe {self.recipe.name}: model.{name}: {first["msg"]}'
            raise SettingsError(message) from error

    def identity(self, view: View, fingerprint: str) -> str:
        """Fingerprint of all that a training depends on."""
        parts = (self.model, self.recipe.model_dump_json(), self.seed, self.split, view)
        return hashlib.sha256(f'{parts} {fingerprint}'.encode()).hexdigest()
