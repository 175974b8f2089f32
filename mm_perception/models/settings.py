# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What decides a model's shape and objective; it lies in the bundle beside the weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt
from torch import nn

from mm_perception.models.networks import TABLES

# Names of other inputs that networks take beside the modalities.
_RESERVED = frozenset({'a', 'self', 'y', 'z'})

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _can_name_networks(modalities: dict[str, int]) -> dict[str, int]:
    for name in modalities:
        if not name.isidentifier() or name in _RESERVED or hasattr(nn.ModuleDict(), name):
            reserved = ', '.join(sorted(_RESERVED))
            raise ValueError(
                f"modality '{name}' cannot name a network; use a plain word such as 'rgb' "
                f'(not {reserved}, nor an attribute of a torch module)'
            )
    return {str(name): dimension for name, dimension in modalities.items()}


Modalities = Annotated[
    dict[str, PositiveInt],
    Field(
        min_length=1, description='The dimensions of each modality, by name; any order is the same.'
    ),
    AfterValidator(_can_name_networks),
]


class Widths(BaseModel):
    """Units of the networks' layers and of the two latent variables."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    hidden: PositiveInt = Field(description='Units of every hidden layer.')
    a: PositiveInt = Field(description='Dimensions of the shared representation a.')
    z: PositiveInt = Field(description='Dimensions of the style z.')


def _widths_of_the_table(validated: dict[str, Any]) -> Widths:
    table = TABLES[validated['networks']]
    return Widths(hidden=table.hidden, a=table.a, z=table.z)


class ModelSettings(BaseModel):
    """Which model, on which modalities and classes; what is wrong is refused by pydantic."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    name: Literal['m2', 'sdgm', 'ss_mvae', 'ss_hmvae', 'ss_hmvae_kl'] = Field(
        'ss_hmvae_kl', description='The model.'
    )
    networks: Literal['mnist', 'rgbd'] = Field(
        'rgbd',
        description="The paper's table of networks: for pixels in [0, 1], or for features ≥ 0.",
    )
    modalities: Modalities
    classes: int = Field(ge=2, description='How many classes.')
    widths: Widths = Field(
        default_factory=_widths_of_the_table, description="Layer widths; by default the table's."
    )
    alpha: Weight = Field(1.0, description="Weight of the classifier's log-likelihood (eq. 6).")
    beta: Weight = Field(
        1.0, description='Weight of the KL to the single-modality encoders (eq. 13).'
    )
    label_inference: Literal['gumbel', 'sum', 'local_expectation'] = Field(
        'gumbel',
        description=(
            'How an unlabelled bound averages over y: one Gumbel-softmax sample, as the paper; the '
            'exact sum, for which the networks that take y run once a class; or the local '
            'expectation gradient, for which they do so without a backward pass.'
        ),
    )
    stop_gradient: bool = Field(
        False,
        description='J_div trains only the single-modality encoders: no gradient into q_φ(a|x).',
    )
    gamma: Weight = Field(
        0.0,
        description=(
            'Weight of the agreement J_y: every classifier is to say of an unlabelled item what '
            'all modalities together are sure of, and of a labelled one its label.'
        ),
    )
    threshold: float = Field(
        0.9, ge=0, le=1, description='How probable a class has to be, to be sure of it.'
    )
    temperature: float = Field(
        0.1,
        gt=0,
        allow_inf_nan=False,
        description="Of the Gumbel-softmax. The paper gives none; its library's default is 0.1.",
    )
