# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""M2: the semi-supervised VAE of one modality, or of several taken for one.

Kingma, Rezende, Mohamed & Welling, Semi-supervised learning with deep generative models, NIPS 2014.
It is SS-MVAE of one modality. Several modalities are concatenated in the order of their names, and
are then one variable x for it: that is the difference that table 2 measures (§4.3.1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from mm_perception.models.missing import zero_fill
from mm_perception.models.objective import Objective, stacked
from mm_perception.models.semi_supervised import SemiSupervised
from mm_perception.models.settings import ModelSettings
from mm_perception.models.ss_mvae import SSMVAE


class M2(SemiSupervised):
    """M2; a missing modality is filled with zeros.

    Attributes:
        ss_mvae: SS-MVAE of the one modality ``x``.

    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        x = {'x': sum(self.modalities.values())}
        self.ss_mvae = SSMVAE(settings.model_copy(update={'modalities': x}))

    def objective(
        self, labelled: Mapping[str, Tensor], y: Tensor, unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        """Value −J of SS-MVAE (eq. 7) on a labelled and an unlabelled batch."""
        x = stacked(labelled, y, unlabelled, self.modalities)
        return self.ss_mvae.bounds(self.joined(x), y)

    def bound(self, inputs: Mapping[str, Tensor], y: Tensor, noise: Tensor) -> Tensor:
        """L(x,y) of SS-MVAE (eq. 4) of inputs x: [R]."""
        return self.ss_mvae.bound(inputs, y, noise)

    def joined(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Concatenate all modalities, [B, D_m] each, to the one ``x``."""
        return {'x': torch.cat([inputs[m] for m in self.modalities], -1)}

    def probabilities(self, inputs: Mapping[str, Tensor], samples: int = 0) -> Tensor:
        """Classify by any non-empty choice of modalities: q(y|x), zeros for what is missing."""
        return self.ss_mvae.probabilities(self.joined(zero_fill(self, inputs)), samples)

    def reconstruct(
        self, inputs: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        """As SS-MVAE, x cut into the modalities again."""
        x = self.ss_mvae.reconstruct(self.joined(inputs), ['x'])['x']
        parts = x.split(list(self.modalities.values()), -1)  # type: ignore[no-untyped-call]  # torch's own
        return {m: part for m, part in zip(self.modalities, parts, strict=True) if m in wanted}
