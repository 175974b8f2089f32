# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle of full size that was never trained: its labels cost what those of a good one cost."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from steady_camera import pictures

from mm_perception.bundle import save_bundle
from mm_perception.features import BackboneSettings
from mm_perception.head import Head
from mm_perception.images import frame_from_message
from mm_perception.manifest import FRAMES
from mm_perception.models import ModelSettings
from mm_perception.observation import Modality, Observation
from mm_perception.pipeline import Pipeline, PipelineSettings
from mm_perception.trust import TrustSettings
from training.engines.quantization import quantize

RGB, DEPTH = Modality.RGB, Modality.DEPTH
CLASSES = tuple(f'class {i}' for i in range(12))
TRUST = TrustSettings(  # as of any bundle that was trained, but that nothing is unknown
    false_rejection=0.01,
    novelty=dict.fromkeys(('rgbd', 'rgb', 'depth'), 1e9),
    false_alarm=0.01,
    contradiction=1e9,
)


def make_random_bundle(path: Path, backbone: str) -> Path:
    """Write a bundle with int8 networks, of a backbone that was never trained."""
    spec = BackboneSettings(name=backbone, weights='random')
    pipeline = Pipeline(PipelineSettings(backbones=dict.fromkeys(Modality, spec)))
    sizes = {str(modality): size for modality, size in pipeline.dimensions.items()}
    model = ModelSettings(name='ss_hmvae_kl', modalities=sizes, classes=len(CLASSES))
    torch.manual_seed(0)
    shown = [
        pipeline.prepare(
            Observation.of(
                frame_from_message(rgb, Modality.RGB, 1),
                frame_from_message(depth, Modality.DEPTH, 1),
            )
        )
        for rgb, depth in pictures()
    ]
    images = {m: np.stack([each[m] for each in shown]) for m in Modality}
    with tempfile.TemporaryDirectory() as name:
        frames = Path(name) / FRAMES
        save_file({str(m): torch.from_numpy(each) for m, each in images.items()}, frames)
        networks = quantize(pipeline.backbones, images, Path(name))
        quantized = {
            'networks': {str(m): file.name for m, file in networks.items()},
            'error': 0.0,
            'agreement': {},
            'accuracy': {},
        }
        manifest = {
            'created': '2026-01-01T00:00:00Z',
            'made_by': 'benchmark',
            'classes': CLASSES,
            'pipeline': pipeline.pinned,
            'model': model,
            'trust': TRUST,
            'quantized': quantized,
        }
        files = [f for each in networks.values() for f in (each, each.with_suffix('.bin'))]
        save_bundle(path, Head(model, trust=True), manifest, {}, [*files, frames])
    return path
