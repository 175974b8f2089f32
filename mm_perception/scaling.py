# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bring any backbone's features to the scale that the model was written for.

The model's objective sums squared errors over the features, so their scale weighs reconstruction
against classification. VGG16's fc1 with ImageNet weights needs no change, and gets none but one
common factor; the features of random weights vary little around large means, and only show what
differs once each is measured from its own minimum, by its own spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def fit(self, features: Mapping[str, Tensor | Sequence[Tensor]], kind: ScalingKind) -> None:
        """Learn offset and scale from training features.

        Args:
            features: By modality [N, D], or pieces [N_i, D], of which one at a time is looked at.
            kind: See the class.

        """
        for modality, given in features.items():
            pieces = (given,) if isinstance(given, Tensor) else given
            offset = torch.zeros_like(self._buffer('offset', modality))
            scale = torch.ones_like(offset)
            if kind == 'global':
                scale *= _root_mean_square(pieces).clamp_min(1e-6)
            elif kind == 'feature':
                offset = torch.stack([piece.amin(dim=0) for piece in pieces]).amin(dim=0)
                spread = _spread(pieces, offset)
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


def _root_mean_square(pieces: Sequence[Tensor]) -> Tensor:
    """√mean f² over all rows and features; summed up in double precision."""
    squares = torch.stack([piece.double().square().sum() for piece in pieces]).sum()
    return (squares / sum(piece.numel() for piece in pieces)).sqrt().float()


def _spread(pieces: Sequence[Tensor], about: Tensor) -> Tensor:
    """Give each feature's standard deviation; measured from near it, so that no digits are lost."""
    rows = sum(map(len, pieces))
    first = second = torch.zeros_like(about, dtype=torch.float64)
    for piece in pieces:
        apart = piece.double() - about
        first, second = first + apart.sum(0), second + apart.square().sum(0)
    return ((second - first.square() / rows).clamp_min(0) / max(rows - 1, 1)).sqrt().float()
