# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Backbones that learned something: weights files that say what they were made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mm_perception.errors import TrainingError
from mm_perception.features import (
    Backbone,
    BackboneSettings,
    cached_weights,
    read_weights,
    sha256_of,
)
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline, PipelineSettings
from training.durable import replacing


@dataclass(frozen=True)
class Learned:
    """A backbone that learned.

    Attributes:
        path: Its weights, ``.safetensors``.
        sha256: The file's fingerprint.
        reused: Whether it was there already, made from the same in the same way.

    """

    path: Path
    sha256: str
    reused: bool

    def settings(self, of: BackboneSettings) -> BackboneSettings:
        """Name it as a pipeline's backbone."""
        return of.model_copy(update={'weights': 'file', 'sha256': self.sha256})


@dataclass(frozen=True)
class LearnedFile:
    """The file that a backbone is to become, named by all that it depends on.

    Attributes:
        path: Where it is put.
        source: The weights that the backbone begins with.
        source_sha256: Their fingerprint; empty where there is no such file.
        identity: Fingerprint of all that the learning depends on.

    """

    path: Path
    source: Path
    source_sha256: str
    identity: str

    @classmethod
    def of(
        cls,
        spec: BackboneSettings,
        weights: Path | None,
        data: object,
        how: BaseModel,
        folder: Path,
    ) -> LearnedFile:
        """Name it.

        Args:
            spec: The backbone.
            weights: Its weights' file; None takes ImageNet's from the torch cache.
            data: Fingerprints of what there is to learn from, as JSON takes them.
            how: Every setting of the learning.
            folder: Where it is put.

        """
        source = weights or cached_weights(spec)
        sha256 = sha256_of(source) if source.is_file() else ''
        depends = [spec.name, spec.layer, sha256, data, how.model_dump(mode='json')]
        identity = hashlib.sha256(json.dumps(depends).encode()).hexdigest()
        path = folder / f'{spec.name}-{identity[:16]}.safetensors'
        return cls(path, source, sha256, identity)

    @property
    def checkpoint(self) -> Path:
        """What a learning that was stopped leaves."""
        return self.path.with_suffix('.checkpoint')

    def kept(self, spec: BackboneSettings) -> dict[str, Any] | None:
        """Read what an earlier run's file says of itself.

        Returns:
            What was given to ``write``; None when there is no file, or a damaged one, or one of
            another run, or when the backbone was to begin with other weights.

        """
        if spec.sha256 not in (None, self.source_sha256) or not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework='pt') as file:
                about: dict[str, Any] = json.loads((file.metadata() or {})['about'])
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        return about if about['run'] == self.identity else None

    def write(self, backbone: Backbone, about: Mapping[str, Any]) -> None:
        """Write the whole network: what did not learn, after the cut, as it was.

        Args:
            backbone: What learned, on the CPU.
            about: What the file says of itself, beside its identity.

        Raises:
            TrainingError: It cannot be written.

        """
        state = read_weights(self.source)
        tensors = {name: value.float() if value.is_floating_point() else value
                   for name, value in state.items()} | backbone.network.state_dict()  # fmt: skip
        tensors = {name: value.contiguous() for name, value in tensors.items()}
        said = json.dumps({'run': self.identity, **about})
        try:
            with replacing(self.path) as partial:
                save_file(tensors, partial, {'about': said})
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f'{self.path}: the learned weights cannot be kept: {error}'
            ) from error
        self.checkpoint.unlink(missing_ok=True)


def learned_pipeline(
    plain: PipelineSettings, learned: Mapping[Modality, Learned], weights: Path | None
) -> Pipeline:
    """Make a pipeline whose backbones learned.

    Args:
        plain: As it was before.
        learned: Those that did.
        weights: The weights file of those that did not, if they have one.

    """
    backbones = plain.backbones | {
        m: each.settings(plain.backbones[m]) for m, each in learned.items()
    }
    files = {} if weights is None else dict.fromkeys(plain.modalities, weights)
    files |= {modality: each.path for modality, each in learned.items()}
    return Pipeline(plain.model_copy(update={'backbones': backbones}), files)
