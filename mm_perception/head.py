# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""All that is learned: from features to what the model says of them, and how far to trust it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from mm_perception.models import SSHMVAEKL, ModelSettings, SemiSupervised, build_model
from mm_perception.observation import Modality, mode_of
from mm_perception.scaling import Scaling
from mm_perception.trust import Trust, contradiction


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a model says of N items, and how far to trust it.

    Attributes:
        probabilities: [N, K].
        novelty: [N], how unlike anything learned; None where that was not learned.
        contradiction: [N], how far the modalities disagree; None likewise, and of one modality.

    """

    probabilities: Tensor
    novelty: Tensor | None = None
    contradiction: Tensor | None = None

    def stacked(self) -> Tensor:
        """Give all as one tensor, [N, K + 2]; NaN for what there is none of."""
        nothing = torch.full_like(self.probabilities[:, 0], torch.nan)
        further = [nothing if e is None else e for e in (self.novelty, self.contradiction)]
        return torch.cat([self.probabilities, torch.stack(further, -1)], -1)

    @classmethod
    def unstacked(cls, columns: Tensor, *, novelty: bool, contradiction: bool) -> Judgement:
        """Read what ``stacked`` gave, of which novelty and contradiction may be nothing."""
        return cls(
            columns[:, :-2],
            columns[:, -2] if novelty else None,
            columns[:, -1] if contradiction else None,
        )


Judge: TypeAlias = 'Callable[[Mapping[str, Tensor]], Judgement]'
"""A `Head`, or what computes the same: judges any modalities' features, [N, D] each."""


class Head(nn.Module):
    """All that is learned: the features' scaling, the generative model, and what is usual in it."""

    def __init__(self, settings: ModelSettings, *, trust: bool = False) -> None:
        super().__init__()
        self.scaling = Scaling(settings.modalities)
        self.model: SemiSupervised = build_model(settings)
        self.trust = Trust(settings) if trust else None

    @property
    def tells_trust(self) -> bool:
        """Whether it says how far to trust it: SS-HMVAE-kl does, where it knows what is usual."""
        return self.trust is not None and isinstance(self.model, SSHMVAEKL)

    def forward(self, features: Mapping[str, Tensor]) -> Judgement:
        """Judge any modalities' features, [N, D] each."""
        x = self.scaling(features)
        if self.trust is None or not isinstance(self.model, SSHMVAEKL):
            return Judgement(self.model.probabilities(x))
        q_a = self.model.posterior(x)
        mode = mode_of(map(Modality, x))
        novelty = self.trust.novelty(mode, q_a.mean)
        return Judgement(self.model.classify(q_a), novelty, contradiction(self.model, x))
