# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``manifest.yaml``, which says what a bundle is: checked YAML with its own checksum below it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mm_perception import plain_yaml
from mm_perception.errors import BundleError
from mm_perception.models import ModelSettings
from mm_perception.observation import UNKNOWN, Modality
from mm_perception.pipeline import PipelineSettings
from mm_perception.trust import TrustSettings, modes_of

MANIFEST, WEIGHTS, FRAMES = 'manifest.yaml', 'weights.safetensors', 'frames.safetensors'
FORMAT_VERSION: Literal[1] = 1
_CHECKSUM = '# sha256 of all above: '


class Quantized(BaseModel):
    """The backbones in int8, and what that costs on held-out frames."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    networks: dict[Modality, str] = Field(
        description="OpenVINO's .xml by modality; its .bin is beside it."
    )
    error: float = Field(description="The features' relative error.")
    agreement: dict[str, float] = Field(
        description='By mode, the share of frames with the same label as in float32.'
    )
    accuracy: dict[str, float] = Field(description='By mode.')

    @property
    def files(self) -> set[str]:
        """Every file that it takes."""
        weights = {str(Path(name).with_suffix('.bin')) for name in self.networks.values()}
        return {FRAMES, *weights, *self.networks.values()}


class Manifest(BaseModel):
    """What a bundle says of itself."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    format_version: Literal[1] = FORMAT_VERSION
    created: str = Field(description='UTC, ISO 8601.')
    made_by: str = Field(description='The version of the software that trained it.')
    classes: tuple[str, ...] = Field(min_length=2, description='In the order of the model.')
    pipeline: PipelineSettings
    model: ModelSettings
    files: dict[str, str] = Field(description='SHA-256 of every other file in the bundle.')
    backbone_files: dict[Modality, str] = Field(
        default_factory=dict, description='The weights file in the bundle, by modality.'
    )
    accuracy: dict[str, float] = Field(
        default_factory=dict, description='By mode, on held-out recordings, when it was trained.'
    )
    trust: TrustSettings | None = Field(
        None, description='When an object is unknown; none: every object is given a class.'
    )
    quantized: Quantized | None = Field(
        None, description='The int8 networks in the bundle; none: float32 alone.'
    )

    @model_validator(mode='after')
    def _is_of_one_model(self) -> Manifest:
        if len(set(self.classes)) != len(self.classes) or UNKNOWN in self.classes:
            raise ValueError(f'classes must differ from each other and from {UNKNOWN!r}')
        if len(self.classes) != self.model.classes:
            raise ValueError(
                f'names {len(self.classes)} classes, but its model has {self.model.classes}'
            )
        if set(self.model.modalities) != {str(m) for m in self.pipeline.modalities}:
            raise ValueError('its model and its pipeline have different modalities')
        modes = modes_of(self.model.modalities)
        if self.trust and (set(self.trust.novelty) != set(modes) or not self._answers_for_itself):
            raise ValueError(f'its trust is not that of an ss_hmvae_kl in modes {", ".join(modes)}')
        for name in self.classes:
            if not name.strip() or not name.isprintable() or name.casefold() == UNKNOWN:
                raise ValueError(f'{name!r:.60} cannot be a class')
        return self

    @model_validator(mode='after')
    def _has_its_files(self) -> Manifest:
        for name in (*self.files, *self.backbone_files.values()):
            if name != Path(name).name or name.startswith('.') or not name.isprintable():
                raise ValueError(f'names a file outside the bundle: {name!r}')
        extra = self.quantized.files if self.quantized else set()
        if unlisted := {WEIGHTS, *self.backbone_files.values(), *extra} - set(self.files):
            raise ValueError(f'has no checksum of {", ".join(sorted(unlisted))}')
        if self.quantized and set(self.quantized.networks) != set(self.pipeline.modalities):
            raise ValueError('its int8 networks are not those of its modalities')
        return self

    @property
    def _answers_for_itself(self) -> bool:
        return self.model.name == 'ss_hmvae_kl'


def read_manifest(path: Path) -> Manifest:
    """Read and check a bundle's manifest alone.

    Raises:
        BundleError: As ``Bundle.load``.

    """
    file = path / MANIFEST
    if not path.is_dir():
        raise BundleError(f'{path}: no such bundle folder; `train fit` makes one')
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise BundleError(f'{file}: not a file; copy the bundle again')
        with file.open(encoding='utf-8') as opened:
            text = opened.read(plain_yaml.MOST)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f'{file}: cannot be read: {brief(error)}') from error
    body, mark, checksum = text.rpartition(_CHECKSUM)
    if not mark or checksum.strip() != hashlib.sha256(body.encode()).hexdigest():
        raise BundleError(f'{file}: damaged or edited: its checksum does not fit; copy it again')
    try:
        content = plain_yaml.parse(body)
        if isinstance(content, dict) and content.get('format_version') != FORMAT_VERSION:
            raise BundleError(
                f'{file}: format version {content.get("format_version")!r}; '
                f'this software reads {FORMAT_VERSION}'
            )
        return Manifest.model_validate(content)
    except (yaml.YAMLError, ValidationError) as error:
        raise BundleError(f'{file}: not a valid manifest: {brief(error)}') from error


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a bundle's manifest and its checksum."""
    body = yaml.safe_dump(manifest.model_dump(mode='json'), sort_keys=False, allow_unicode=True)
    checksum = hashlib.sha256(body.encode()).hexdigest()
    (path / MANIFEST).write_text(f'{body}{_CHECKSUM}{checksum}\n', encoding='utf-8')


def brief(error: Exception) -> str:
    """Put an error on one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = '.'.join(str(part) for part in first['loc'])
        return f'{where}: {first["msg"]}' if where else str(first['msg'])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return ' '.join(str(error).split()) or type(error).__name__
