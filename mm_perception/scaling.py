# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bring any backbone's features to the scale that the model was written for.

The model's objective sums squared errors over the features, so their scale weighs reconstruction
against classification. VGG16's fc1 with ImageNet weights needs no change, and gets none but one
common factor; the features of random weights vary little around large means, and only show what
differs once each is measured from its own minimum, by its own spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

ScalingKind = Literal['none', 'global', 'feature']


class Scaling(nn.Module):
    """Maps each modality's features f to max(0, (f − offset) / scale), which stays ≥ 0.

    ``none`` changes nothing; ``global`` divides a modality by the root mean square of all its
    features; ``feature`` measures each feature from its minimum by its standard deviation.
    """

    def __init__(self, dimensions: Mapping[str, int]) -> None:
        super().__init__()
        for modality, size in dimensions.items():
            self.register_buffer(f'offset_{modality}', torch.zeros(size))
            self.register_buffer(f'scale_{modality}', torch.ones(size))

    def fit(self, features: Mapping[str, Tensor], kind: ScalingKind) -> None:
        """Learn offset and scale from training features, [N, D] by modality."""
        for modality, values in features.items():
            offset = torch.zeros_like(self._buffer('offset', modality))
            scale = torch.ones_like(offset)
            if kind == 'global':
                scale *= values.square().mean().sqrt().clamp_min(1e-6)
            elif kind == 'feature':
                offset = values.amin(dim=0)
                spread = values.std(dim=0)
                # A feature that hardly varies says nothing; dividing by its spread would shout it.
                scale = spread.clamp_min(spread.median().item() * 0.1 + 1e-6)
            self._buffer('offset', modality).copy_(offset)
            self._buffer('scale', modality).copy_(scale)

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scale features, [N, D] by modality."""
        return {
            modality: torch.relu(
                (values - self._buffer('offset', modality)) / self._buffer('scale', modality)
            )
            for modality, values in features.items()
        }

    def _buffer(self, kind: str, modality: str) -> Tensor:
        return self.get_buffer(f'{kind}_{modality}')
