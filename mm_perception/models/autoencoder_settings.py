# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What decides the shape and the objective of a model that learns without labels."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from mm_perception.models.settings import Modalities, Weight

Likelihood: TypeAlias = Literal['gaussian', 'bernoulli', 'nonnegative']


class AutoencoderSettings(BaseModel):
    """Which model, on which modalities; what is wrong is refused by pydantic.

    The defaults are the networks of Suzuki & Matsuo, 2016 (§4.2), for MIR Flickr.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    name: Literal['ae', 'vae', 'mae', 'mvae', 'jmvae_kl'] = Field(
        description='The model: ae and vae know one modality, the others several.'
    )
    modalities: Modalities
    likelihoods: dict[str, Likelihood] = Field(
        description='What p(x_m|z) is, by modality: for real values, [0, 1], or features ≥ 0.'
    )
    hidden: PositiveInt = Field(1024, description='Units of every hidden layer.')
    z: PositiveInt = Field(2048, description='Dimensions of the representation z.')
    layers: PositiveInt = Field(
        2, description='Hidden layers on each modality before they are joined, and of each decoder.'
    )
    variance: Literal['exp_tanh', 'softplus'] = Field(
        'exp_tanh',
        description='How a Gaussian network makes a variance: eq. 8 of 2016, or eq. 2 of 2018.',
    )
    beta: Weight = Field(
        1.0, description='jmvae_kl: weight of the KL to the single-modality encoders.'
    )

    @model_validator(mode='after')
    def _model_and_likelihoods_fit_the_modalities(self) -> AutoencoderSettings:
        single = self.name in {'ae', 'vae'}
        if single != (len(self.modalities) == 1):
            other = f'm{self.name}' if single else 'ae or vae'
            raise ValueError(
                f'{self.name} with the modalities {sorted(self.modalities)}: it takes '
                f'{"one" if single else "two or more"}; for these use {other}'
            )
        if set(self.likelihoods) != set(self.modalities):
            raise ValueError(
                f'likelihoods of {sorted(self.likelihoods)}: give one to each of the modalities '
                f'{sorted(self.modalities)}'
            )
        return self
