# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The deep generative models, one file each, named and written like the papers."""

from __future__ import annotations

from mm_perception.models.objective import Objective
from mm_perception.models.settings import ModelSettings, Widths
from mm_perception.models.ss_hmvae import SSHMVAE
from mm_perception.models.ss_hmvae_kl import SSHMVAEKL

__all__ = ['SSHMVAE', 'SSHMVAEKL', 'ModelSettings', 'Objective', 'Widths', 'build_model']

_MODELS = {'ss_hmvae': SSHMVAE, 'ss_hmvae_kl': SSHMVAEKL}


def build_model(settings: ModelSettings) -> SSHMVAE:
    """Build the model that the settings name, with fresh weights from torch's random state."""
    return _MODELS[settings.name](settings)
