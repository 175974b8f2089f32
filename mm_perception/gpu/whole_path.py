# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Crops → what the model says of them in every mode, without a word from the processor between.

Nothing here may depend on a value that was computed: a recording would keep what it was that time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

import torch
from torch import Tensor, nn

from mm_perception.features import Backbone
from mm_perception.gpu.preprocessing import Preprocessing
from mm_perception.head import Head, Judgement
from mm_perception.judging import Verdict
from mm_perception.observation import Modality, mode_of
from mm_perception.preprocessing import PreprocessingSettings

Shapes: TypeAlias = 'Mapping[Modality, tuple[int, ...]]'
"""Of one item's images: [H, W, 3] colour or a picture, [H, W] depth in metres."""


class WholePath(nn.Module):
    """Preprocessing, backbones, scaling and model for images of given shapes.

    Every mode is answered that the given modalities allow: whichever sensor is lost meanwhile, the
    label from the other one is there. The model takes a hundredth of what the backbones do.

    Attributes:
        modes: The modalities of each mode, in the order of the answers.

    """

    def __init__(
        self,
        settings: PreprocessingSettings,
        networks: Mapping[Modality, Backbone],
        head: Head,
        shapes: Shapes,
    ) -> None:
        """Take what is learned where it is, and put what is made of it there, too."""
        super().__init__()
        self._networks, self._head = dict(networks), head  # others' too: no part of this module
        device = next(iter(networks.values())).device
        size = settings.size
        self._preparing = {
            modality: Preprocessing(settings, shape).to(device)
            for modality, shape in shapes.items()
            if shape != (size, size, 3)
        }
        present = [*shapes]
        self.modes = [
            chosen
            for count in range(len(present), 0, -1)
            for chosen in combinations(present, count)
        ]

    def forward(self, images: Mapping[Modality, Tensor]) -> Tensor:
        """Answer in every mode.

        Args:
            images: [N, *shape] by modality, uint8 colour or float32 depth.

        Returns:
            [modes, N, K + 2]: the probabilities, novelty and contradiction; NaN what there is none
            of.

        """
        features = {
            str(modality): self._networks[modality](self._picture(modality, each))
            for modality, each in images.items()
        }
        return torch.stack([self._says(features, mode) for mode in self.modes])

    def verdict(self, row: Sequence[float], mode: Sequence[Modality]) -> Verdict:
        """Read an answer, [K + 2], of a mode."""
        *probabilities, novelty, contradiction = row
        known = self._head.tells_trust
        agrees = known and len(mode) > 1
        return Verdict(
            mode_of(mode),
            probabilities,
            novelty if known else None,
            contradiction if agrees else None,
        )

    def _picture(self, modality: Modality, images: Tensor) -> Tensor:
        preparing = self._preparing.get(modality)
        return images if preparing is None else preparing(images)

    def _says(self, features: Mapping[str, Tensor], mode: Sequence[Modality]) -> Tensor:
        judgement: Judgement = self._head({str(m): features[m] for m in mode})
        return judgement.stacked()
