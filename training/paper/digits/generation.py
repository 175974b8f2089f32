# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a model imagines of the modality that it is not given (figure 5)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mm_perception.models import SSHMVAE
from mm_perception.models.missing import iterative_sampling, zero_fill
from training.paper.results import Missing


@torch.no_grad()
def imagine(model: SSHMVAE, given: Mapping[str, Tensor], wanted: str, missing: Missing) -> Tensor:
    """Make a modality from the others.

    Args:
        model: In ``eval`` mode.
        given: [B, D_m] of the other modalities.
        wanted: The modality to make.
        missing: How: decoded from the joint encoder's view of zeros, by eq. 11, or from the single
            modality's own encoder. An encoder's a is its mean; only eq. 11 draws.

    Returns:
        [B, D] of the wanted one: the mean of its distribution.

    """
    if missing == 'iterative':
        return iterative_sampling(model, given)[wanted]
    zeros = missing == 'zero fill'
    q_a = model.q_a(**zero_fill(model, given)) if zeros else model.posterior(given)
    decoded: Tensor = model.p_x_a[wanted](a=q_a.mean).mean
    return decoded
