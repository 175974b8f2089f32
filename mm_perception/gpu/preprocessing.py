# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Crops → the network's input, where the network is: `mm_perception.preprocessing`, in tensors.

The same up to rounding, and up to which of two pixels is the nearer to a hole. Surface normals and
HHA are made on the processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mm_perception.gpu.holes import HoleFilling
from mm_perception.gpu.resampling import square_weights, to_square
from mm_perception.preprocessing import FLAT, JET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mm_perception.preprocessing import PreprocessingSettings

_DEPTH = 2  # axes


class Preprocessing(nn.Module):
    """Makes pictures of crops that all have one size."""

    jet: Tensor
    down: Tensor
    across: Tensor

    def __init__(self, settings: PreprocessingSettings, shape: Sequence[int]) -> None:
        """Prepare for crops of a shape, [H, W, 3] of colour or [H, W] of depth."""
        super().__init__()
        self._range = settings.depth_range
        self._fill = HoleFilling(*shape) if len(shape) == _DEPTH else None
        down, across = square_weights(shape[0], shape[1], settings.size)
        self.register_buffer('down', down)
        self.register_buffer('across', across)
        self.register_buffer('jet', torch.from_numpy(JET[:, 0]))

    def forward(self, crops: Tensor) -> Tensor:
        """Make pictures.

        Args:
            crops: Colour, [N, H, W, 3] uint8, red first; or depth, [N, H, W] float32 metres, NaN
                where unknown, each with a distance somewhere.

        Returns:
            [N, size, size, 3] uint8, red first.

        """
        weights = self.down, self.across
        if self._fill is None:
            return _rounded(to_square(crops.float(), weights))
        levels = _rounded(to_square(self._levels(self._fill(crops)), weights))
        return self.jet[levels.int()]

    def _levels(self, depth: Tensor) -> Tensor:
        """Scale distances to 0–255, 255 being near; see `preprocessing.depth_levels`."""
        near, far = self._near_and_far(depth)
        scale = (255 / (far.double() - near.double())).float()
        levels = ((far - depth) * scale).clamp(0, 255)
        return torch.where(far - near < FLAT, 255.0, levels)

    def _near_and_far(self, depth: Tensor) -> tuple[Tensor, Tensor]:
        if self._range is None:
            return depth.amin((1, 2), keepdim=True), depth.amax((1, 2), keepdim=True)
        near, far = (torch.full((1, 1, 1), each, device=depth.device) for each in self._range)
        return near, far


def _rounded(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)
