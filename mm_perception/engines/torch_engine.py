# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""torch as it comes, in float32 or bfloat16, on any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.engines.engine import Engine, Precision
from mm_perception.features import Backbone
from mm_perception.observation import Modality

_TYPES: dict[Precision, torch.dtype] = {'float32': torch.float32, 'bfloat16': torch.bfloat16}
TORCH_PRECISIONS = tuple(_TYPES)


class TorchEngine(Engine):
    """Runs the backbones themselves; in float32 it is the reference of all engines.

    Attributes:
        networks: What runs, by modality.

    """

    def __init__(
        self, backbones: Mapping[Modality, Backbone], precision: Precision = 'float32'
    ) -> None:
        """Take the backbones where they are; other precisions have copies of their own.

        Args:
            backbones: All on one device.
            precision: One of ``TORCH_PRECISIONS``.

        """
        self.name, self.precision = f'torch {precision}', precision
        copies = {id(each): each for each in backbones.values()}
        if precision != 'float32':
            copies = {key: each.converted(_TYPES[precision]) for key, each in copies.items()}
        self.networks = {modality: copies[id(each)] for modality, each in backbones.items()}

    def compute(
        self, modality: Modality, batch: NDArray[np.uint8], wanted: Callable[[], bool]
    ) -> Tensor | None:
        """Run the network, layer by layer while it is wanted; see `Engine`."""
        network = self.networks[modality]
        with torch.inference_mode():
            images = torch.from_numpy(batch).to(network.device, non_blocking=True)
            return network.forward_while(wanted, images)
