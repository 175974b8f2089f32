# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A weights file of untrained values: what matters is that the file is there."""

from __future__ import annotations

from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file


def write_weights(folder: Path) -> Path:
    """Write SqueezeNet's into a folder, the same bytes every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.get_model('squeezenet1_0', weights=None)
    path = folder / 'squeezenet.safetensors'
    save_file(network.state_dict(), path)
    return path
