# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A real bundle, small: an untrained model on an untrained SqueezeNet, of three classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mm_perception.bundle import save_bundle
from mm_perception.classifier import Classifier
from mm_perception.features import BackboneSettings
from mm_perception.head import Head
from mm_perception.models import ModelSettings, Widths
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline, PipelineSettings

if TYPE_CHECKING:
    from pathlib import Path

    from mm_perception.trust import TrustSettings

CLASSES = ('bowl', 'cap', 'mug')


def make_bundle(
    path: Path,
    *modalities: Modality,
    name: str = 'ss_hmvae_kl',
    trust: TrustSettings | None = None,
) -> Path:
    """Write the bundle; both modalities unless some are given. The same bytes every time."""
    backbone = BackboneSettings(name='squeezenet1_0', weights='random')
    pipeline = Pipeline(PipelineSettings(backbones=dict.fromkeys(modalities or Modality, backbone)))
    model = ModelSettings(
        name=name,
        modalities={str(m): size for m, size in pipeline.dimensions.items()},
        classes=len(CLASSES),
        widths=Widths(hidden=8, a=4, z=4),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = Head(model, trust=trust is not None)
    manifest = {
        'created': '2026-01-01T00:00:00Z',
        'made_by': 'test',
        'classes': CLASSES,
        'pipeline': pipeline.pinned,
        'model': model,
        'trust': trust,
    }
    save_bundle(path, head, manifest, {})
    return path


def warm_classifier(folder: Path) -> Classifier:
    """Make a bundle in a folder, and what answers with it, on the CPU and ready."""
    classifier = Classifier(make_bundle(folder / 'bundle'), 'cpu')
    classifier.warm_up()
    return classifier
