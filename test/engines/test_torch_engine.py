# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import torch

from mm_perception.engines import TorchEngine
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.observation import Modality


def test_reference_is_the_same_bits_each_time() -> None:
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    noise = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    engine = TorchEngine({Modality.RGB: backbone})
    assert torch.equal(
        engine({Modality.RGB: noise})[Modality.RGB], engine({Modality.RGB: noise})[Modality.RGB]
    )
