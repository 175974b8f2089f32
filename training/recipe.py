# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recipe: every setting of a training run, read from YAML and kept beside what it made."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from mm_perception import plain_yaml
from mm_perception.errors import SettingsError
from mm_perception.models import ModelSettings
from mm_perception.observation import Modality
from mm_perception.pipeline import PipelineSettings
from mm_perception.scaling import ScalingKind
from training.config import config_folders
from training.fitting.precision import Precision

if TYPE_CHECKING:
    from typing_extensions import Self

Settings = TypeVar('Settings', bound=BaseModel)

SMALL = 1000
"""So many labelled images teach all layers."""


class Optimisation(BaseModel):
    """How the objective is climbed; the defaults are the paper's for RGB-D (§4.2)."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    epochs: PositiveInt = Field(100, description='Passes over the unlabelled frames.')
    batch_size: PositiveInt = Field(128, description='Unlabelled frames a step.')
    labelled_batch_size: PositiveInt = Field(
        128, description='Labelled frames a step; all of them where there are fewer.'
    )
    learning_rate: PositiveFloat = Field(1e-4, description="Adam's.")
    schedule: Literal['constant', 'cosine'] = Field(
        'constant', description='The learning rate over the epochs: the paper keeps it.'
    )
    precision: Precision = Field(
        'float32',
        description='What matrix products take in; all else is float32. auto: bfloat16 on a GPU '
        'and on processors that multiply it.',
    )


class FineTuning(BaseModel):
    """How backbones are fine-tuned on the labelled frames; see ``backbones/finetune.py``."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    epochs: PositiveInt = Field(40, description='Passes over the labelled images, at most.')
    learning_rate: PositiveFloat = Field(1e-4, description="Adam's.")
    batch_size: PositiveInt = Field(32, description='Images a step; the paper names none.')
    dropout: float = Field(
        0.5, ge=0, lt=1, description="Between features and classifier, as in VGG16's own."
    )
    trainable: float | None = Field(
        None,
        gt=0,
        le=1,
        description='The share of the layers with weights that learn, those next to the features. '
        f'Unset: a third where fewer than {SMALL} images have a label, else all.',
    )
    augment: bool = Field(
        True, description='Crop and turn over the images anew each time, colour and depth alike.'
    )
    patience: PositiveInt | None = Field(
        6,
        description='Stop after so many epochs in which held-out recordings were told no better, '
        'and take the best epoch; unset: all epochs. It takes recordings of two classes that '
        'have several.',
    )
    precision: Precision = Field(
        'auto',
        description='What layers compute in; the weights are float32. auto: bfloat16 on a GPU '
        'and on processors that multiply it.',
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="Of classifier and order; a recipe's own replaces it."
    )


PAPER = FineTuning(
    epochs=200,
    learning_rate=1e-5,
    trainable=1,
    augment=False,
    patience=None,
    precision='float32',
)
"""As the paper fine-tunes (§4.1.2), where it names something."""


class Teaching(BaseModel):
    """How RGB's backbone teaches depth's on unlabelled pairs; see ``backbones/teaching.py``."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    epochs: PositiveInt = Field(10, description='Passes over the pairs.')
    learning_rate: PositiveFloat = Field(1e-4, description="Adam's first; it falls as a cosine.")
    batch_size: int = Field(
        64, ge=2, description='Pairs a step, each of which is told from the others.'
    )
    temperature: float = Field(
        0.1,
        ge=1e-3,
        le=10,
        description='Of the loss: the lower, the more the nearest others count.',
    )
    margin: float = Field(
        0.0, ge=0, le=1, description='By how much what is alike has to be more similar.'
    )
    neighbours: float | None = Field(
        None,
        ge=0,
        description='Seconds: moments of one recording that lie no farther apart are not told from '
        'each other, as they mostly show the same. Unset: all of one recording.',
    )
    pairs: PositiveInt = Field(
        5000, description='At most so many, evenly over all; each takes the memory of its crop.'
    )
    trainable: float | None = Field(
        None,
        gt=0,
        le=1,
        description='The share of the layers with weights that learn, those next to the features. '
        f'Unset: a third where there are fewer than {SMALL} pairs, else all.',
    )
    augment: bool = Field(True, description='Crop and turn over the depth images anew each time.')
    precision: Precision = Field(
        'auto',
        description='What layers compute in; the weights are float32. auto: bfloat16 on a GPU '
        'and on processors that multiply it.',
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="Of order and crops; a recipe's own replaces it."
    )


class Rates(BaseModel):
    """How often a trained model may be wrong about what is unusual."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    false_rejection: float = Field(
        0.01, gt=0, lt=1, description='The share of known objects that is called unknown.'
    )
    false_alarm: float = Field(
        0.01, gt=0, lt=1, description='The share of good pairs that is called contradictory.'
    )


class Recipe(BaseModel):
    """Every setting of a training run."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    pipeline: PipelineSettings = Field(
        default_factory=PipelineSettings, description='From an observation to its features.'
    )
    every: PositiveInt = Field(1, description='Take every n-th observation of a recording.')
    labelled_fraction: float | None = Field(
        None, gt=0, le=1, description='Keep this share of the labels, drawn at random, by class.'
    )
    efficiency: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (),
        description='Shares of the labels to fit with once more, for the curve in the report.',
    )
    teaching: Teaching | None = Field(
        None,
        description="Let RGB's backbone teach depth's on all pairs, before anything else learns; "
        'unset: it stays as it was.',
    )
    finetune: FineTuning | None = Field(
        None, description='Fine-tune the backbones on the labelled frames; unset: they are frozen.'
    )
    views: int = Field(
        0,
        ge=0,
        le=100,
        description='A step may see, in place of a picture, one of so many that were made of it: '
        'cut, turned over, lit and painted anew. For crops (pipeline.region.kind full).',
    )
    scaling: ScalingKind = Field(
        'global', description='How features are scaled: none, global or feature.'
    )
    model: dict[str, Any] = Field(
        default_factory=dict, description="The model's settings, but for modalities and classes."
    )
    optimisation: Optimisation = Field(
        default_factory=Optimisation, description='How the objective is climbed.'
    )
    trust: Rates = Field(
        default_factory=Rates, description='When an object is unknown, and when the eyes disagree.'
    )
    seed: int = Field(0, ge=0, lt=2**32, description='Of everything random in training.')

    @model_validator(mode='after')
    def _teaches_depth(self) -> Self:
        if self.teaching is not None and self.pipeline.backbones.keys() < set(Modality):
            raise ValueError('teaching: RGB teaches depth, so pipeline.backbones has to have both')
        return self

    @model_validator(mode='after')
    def _curve_is_of_labels(self) -> Self:
        if self.efficiency and self.finetune is not None:
            raise ValueError(
                'efficiency and finetune: the backbones would have seen labels that a point of the '
                'curve is to do without; leave one of them out'
            )
        return self

    @model_validator(mode='after')
    def _views_are_of_crops(self) -> Self:
        if self.views and self.pipeline.region.kind != 'full':
            raise ValueError(
                'views and pipeline.region: views are cut out of pictures that are crops already; '
                'set pipeline.region.kind=full, or leave views out'
            )
        return self

    def model_settings(self, dimensions: Mapping[str, int], classes: int) -> ModelSettings:
        """Complete the model's settings.

        Raises:
            SettingsError: A setting that the model does not have, or not with this value.

        """
        try:
            return ModelSettings(**self.model, modalities=dict(dimensions), classes=classes)
        except (ValidationError, TypeError) as error:
            raise SettingsError(f'recipe: model.{_first(error)}') from error


def read_recipe(path: Path | None, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply changes of the form ``optimisation.epochs=30`` to it.

    Args:
        path: A YAML file, or the name of a recipe that comes with the package; None takes the
            defaults, which are the paper's.
        changes: Settings by dotted name, the values in YAML.

    Raises:
        SettingsError: No such file, not YAML, or a setting that is unknown or out of range.

    """
    content = {} if path is None else settings_of(_find(path))
    recipe = read_settings(Recipe, content, changes, 'recipe' if path is None else f'recipe {path}')
    recipe.model_settings({'rgb': 1, 'depth': 1}, classes=2)  # refuse a wrong model setting now
    return recipe


def read_settings(
    kind: type[Settings], content: dict[str, Any], changes: Iterable[str], where: str
) -> Settings:
    """Apply changes of the form ``seconds=5`` to settings, and check them all.

    Raises:
        SettingsError: A setting that is unknown or out of range; it begins with ``where``.

    """
    for change in changes:
        _apply(content, change)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise SettingsError(f'{where}: {_first(error)}') from error


def settings_of(path: Path) -> dict[str, Any]:
    """Read a recipe's file, and check no setting in it yet.

    Raises:
        SettingsError: It cannot be read, or is no YAML, or something else than settings.

    """
    try:
        content = plain_yaml.load(path)
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f'recipe {path}: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict):
        raise SettingsError(f'recipe {path}: must be a mapping of settings')
    return content


def recipe_names() -> list[str]:
    """Name the recipes that come with the package."""
    files = (file for folder in config_folders() for file in (folder / 'training').glob('*.yaml'))
    return sorted({file.stem for file in files})


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    if path.name == str(path):
        for folder in config_folders():
            if (named := folder / 'training' / f'{path}.yaml').is_file():
                return named
    raise SettingsError(
        f'recipe {path}: no such file, nor one of the recipes {", ".join(recipe_names())}'
    )


def _apply(content: dict[str, Any], change: str) -> None:
    name, equals, value = change.partition('=')
    if not equals or not name:
        raise SettingsError(f'setting {change!r}: must have the form optimisation.epochs=30')
    *parents, last = name.split('.')
    place = content
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise SettingsError(f'setting {change!r}: {parent} has no settings below it')
    try:
        place[last] = plain_yaml.parse(value)
    except yaml.YAMLError as error:
        raise SettingsError(f'setting {change!r}: {value!r} is not YAML') from error


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    message = first['msg'].removeprefix('Value error, ')  # our own words, which pydantic prefixes
    if not first['loc']:  # several settings do not go together; the words name them
        return message
    name = '.'.join(str(part) for part in first['loc'])
    return f'{name} = {reprlib.repr(first["input"])}: {message}'
