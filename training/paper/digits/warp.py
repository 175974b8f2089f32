# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Turn, shift and stretch digits, each by its own draw."""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


class Warp(BaseModel):
    """How far a picture may be moved; every quantity is drawn uniformly from −its to +its value."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    rotation: float = Field(0.0, ge=0, le=180, description='Degrees.')
    shift: float = Field(0.0, ge=0, description='Pixels, along each axis.')
    scale: float = Field(0.0, ge=0, lt=1, description='Share of the size.')
    shear: float = Field(0.0, ge=0, lt=1, description='Sideways, as a share of the height.')

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Warp each picture about its middle; what comes from outside is black.

        Args:
            images: [B, H, W].
            generator: Of the draws; None takes torch's own.

        Returns:
            [B, H, W], bilinearly sampled.

        """

        def draw(reach: float) -> Tensor:
            spread = torch.rand(len(images), device=images.device, generator=generator) * 2 - 1
            return spread * reach

        if not len(images):
            return images  # affine_grid refuses them
        turn, size = draw(math.radians(self.rotation)), 1 + draw(self.scale)
        cosine, sine, slant = turn.cos() / size, turn.sin() / size, draw(self.shear)
        height, width = images.shape[-2:]
        right, down = draw(2 * self.shift / width), draw(2 * self.shift / height)
        rows = [
            torch.stack([cosine, slant - sine, right], -1),
            torch.stack([sine, cosine, down], -1),
        ]
        grid = affine_grid(
            torch.stack(rows, 1), [len(images), 1, height, width], align_corners=False
        )
        return grid_sample(images[:, None], grid, align_corners=False)[:, 0]
