# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A trained classifier as a folder of data: ``manifest.yaml``, ``weights.safetensors``.

A backbone that was trained with a weights file has a copy of it in the folder. Nothing in a bundle
is ever executed: it is YAML and safetensors, checked before use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mm_perception import plain_yaml
from mm_perception.errors import BundleError
from mm_perception.features import sha256_of
from mm_perception.models import SSHMVAEKL, ModelSettings, SemiSupervised, build_model
from mm_perception.observation import UNKNOWN, Modality, mode_of
from mm_perception.pipeline import PipelineSettings
from mm_perception.scaling import Scaling
from mm_perception.trust import Trust, TrustSettings, contradiction, modes_of

MANIFEST, WEIGHTS = 'manifest.yaml', 'weights.safetensors'
FORMAT_VERSION: Literal[1] = 1
_CHECKSUM = '# sha256 of all above: '


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

    @model_validator(mode='after')
    def _agree(self) -> Manifest:
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
        for name in (*self.files, *self.backbone_files.values()):
            if name != Path(name).name or name.startswith('.') or not name.isprintable():
                raise ValueError(f'names a file outside the bundle: {name!r}')
        if unlisted := {WEIGHTS, *self.backbone_files.values()} - set(self.files):
            raise ValueError(f'has no checksum of {", ".join(sorted(unlisted))}')
        return self

    @property
    def _answers_for_itself(self) -> bool:
        return self.model.name == 'ss_hmvae_kl'


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a model says of N items, and how far to trust it.

    Attributes:
        probabilities: [N, K].
        novelty: [N], how unlike anything learned; None where that was not learned.
        contradiction: [N], how far the modalities disagree; None likewise, and of one modality.

    """

    probabilities: Tensor
    novelty: Tensor | None = None
    contradiction: Tensor | None = None


class Head(nn.Module):
    """All that is learned: the features' scaling, the generative model, and what is usual in it."""

    def __init__(self, settings: ModelSettings, *, trust: bool = False) -> None:
        super().__init__()
        self.scaling = Scaling(settings.modalities)
        self.model: SemiSupervised = build_model(settings)
        self.trust = Trust(settings) if trust else None

    def forward(self, features: Mapping[str, Tensor]) -> Judgement:
        """Judge any modalities' features, [N, D] each."""
        x = self.scaling(features)
        if self.trust is None or not isinstance(self.model, SSHMVAEKL):
            return Judgement(self.model.probabilities(x))
        q_a = self.model.posterior(x)
        mode = mode_of(map(Modality, x))
        novelty = self.trust.novelty(mode, q_a.mean)
        return Judgement(self.model.classify(q_a), novelty, contradiction(self.model, x))


@dataclass(frozen=True)
class Bundle:
    """A checked bundle in memory, on the CPU."""

    path: Path
    manifest: Manifest
    head: Head

    @property
    def backbone_weights(self) -> dict[Modality, Path]:
        """The backbones' weights files that came with the bundle."""
        return {m: self.path / name for m, name in self.manifest.backbone_files.items()}

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read and check a bundle.

        Raises:
            BundleError: It is missing, damaged, of another format, or contradicts itself.

        """
        manifest = read_manifest(path)
        for name, expected in manifest.files.items():
            file = path / name
            if not file.is_file():
                raise BundleError(f'{file}: missing; copy the whole bundle folder again')
            if _checksum(file) != expected:
                raise BundleError(
                    f'{file}: its SHA-256 is not the one in {MANIFEST}: damaged or replaced; '
                    'copy the bundle again'
                )
        return cls(path, manifest, _load_head(path / WEIGHTS, manifest))


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
        raise BundleError(f'{file}: cannot be read: {_brief(error)}') from error
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
        raise BundleError(f'{file}: not a valid manifest: {_brief(error)}') from error


def save_bundle(
    path: Path, head: Head, manifest: Mapping[str, Any], backbones: Mapping[Modality, Path]
) -> Manifest:
    """Write a bundle; another at the same path is replaced only once the new one is complete.

    Args:
        path: The bundle's folder.
        head: What was learned.
        manifest: The manifest's fields, but for the files and their checksums.
        backbones: Weights files to copy into the bundle, by modality.

    Raises:
        BundleError: The folder cannot be written, or holds something that is not a bundle.

    """
    if path.exists() and not _is_replaceable(path):
        raise BundleError(f'{path}: not empty and not a bundle; nothing was written over')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f'.{path.name}.', dir=path.parent))
        try:
            complete = _write(staging, head, manifest, backbones)
            _swap(staging, path)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise BundleError(f'{path}: cannot be written: {_brief(error)}') from error
    return complete


def _is_replaceable(path: Path) -> bool:
    return path.is_dir() and ((path / MANIFEST).is_file() or not any(path.iterdir()))


def _write(
    folder: Path, head: Head, manifest: Mapping[str, Any], backbones: Mapping[Modality, Path]
) -> Manifest:
    folder.chmod(0o755)  # mkdtemp's are private; a bundle is to be copied to the robot
    tensors = {name: tensor.cpu().contiguous() for name, tensor in head.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    copies: dict[Path, str] = {}
    for modality, source in backbones.items():
        if source not in copies:
            copies[source] = f'backbone_{modality}{source.suffix}'
            shutil.copyfile(source, folder / copies[source])
    names = {modality: copies[source] for modality, source in backbones.items()}
    files = {name: sha256_of(folder / name) for name in (WEIGHTS, *copies.values())}
    complete = Manifest.model_validate({**manifest, 'files': files, 'backbone_files': names})
    body = yaml.safe_dump(complete.model_dump(mode='json'), sort_keys=False, allow_unicode=True)
    checksum = hashlib.sha256(body.encode()).hexdigest()
    (folder / MANIFEST).write_text(f'{body}{_CHECKSUM}{checksum}\n', encoding='utf-8')
    return complete


def _swap(staging: Path, path: Path) -> None:
    """Put the new folder in the old one's place; the old one is gone only after that."""
    old = staging.with_name(staging.name + '.old')
    if path.exists():
        path.rename(old)
    try:
        staging.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
    os.sync()


def _load_head(file: Path, manifest: Manifest) -> Head:
    """Load the weights, after the file's header has been compared with what the model needs."""
    settings, trust = manifest.model, manifest.trust is not None
    try:
        with torch.device('meta'):  # shapes without memory: a manifest can claim any size
            empty = Head(settings, trust=trust)
        expected = {name: tuple(tensor.shape) for name, tensor in empty.state_dict().items()}
        with safe_open(file, framework='pt') as reader:
            found = {name: tuple(reader.get_slice(name).get_shape()) for name in reader.keys()}  # noqa: SIM118 - no mapping
        if differing := sorted(expected.items() ^ found.items()):
            raise BundleError(f'{file}: does not fit its manifest: {differing[0][0]} differs')
        head = Head(settings, trust=trust)
        head.load_state_dict(load_file(file))
    # Sizes that no word of a machine holds, and types that no weight has, are errors of any kind.
    except (OSError, SafetensorError, RuntimeError, ValueError, LookupError, TypeError) as error:
        raise BundleError(f'{file}: cannot be read: {_brief(error)}') from error
    if not all(tensor.isfinite().all() for tensor in head.state_dict().values()):
        raise BundleError(f'{file}: holds weights that are no finite numbers; train it again')
    return head.eval().requires_grad_(False)


def _checksum(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        raise BundleError(f'{file}: cannot be read: {_brief(error)}') from error


def _brief(error: Exception) -> str:
    """Put an error on one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = '.'.join(str(part) for part in first['loc'])
        return f'{where}: {first["msg"]}' if where else str(first['msg'])
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return ' '.join(str(error).split()) or type(error).__name__
