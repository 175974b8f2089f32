# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The deep generative models, one file each, named and written like the papers."""

from __future__ import annotations

from mm_perception.models.autoencoder import Autoencoder
from mm_perception.models.autoencoder_settings import AutoencoderSettings
from mm_perception.models.jmvae import JMVAE
from mm_perception.models.jmvae_kl import JMVAEKL
from mm_perception.models.mae import MAE
from mm_perception.models.objective import Objective
from mm_perception.models.settings import ModelSettings, Widths
from mm_perception.models.ss_hmvae import SSHMVAE
from mm_perception.models.ss_hmvae_kl import SSHMVAEKL

__all__ = [
    'JMVAE',
    'JMVAEKL',
    'MAE',
    'SSHMVAE',
    'SSHMVAEKL',
    'Autoencoder',
    'AutoencoderSettings',
    'ModelSettings',
    'Objective',
    'Widths',
    'build_autoencoder',
    'build_model',
]

_MODELS = {'ss_hmvae': SSHMVAE, 'ss_hmvae_kl': SSHMVAEKL}
_AUTOENCODERS: dict[str, type[Autoencoder]] = {
    'ae': MAE,
    'mae': MAE,
    'vae': JMVAE,
    'mvae': JMVAE,
    'jmvae_kl': JMVAEKL,
}


def build_model(settings: ModelSettings) -> SSHMVAE:
    """Build the model that the settings name, with fresh weights from torch's random state."""
    return _MODELS[settings.name](settings)


def build_autoencoder(settings: AutoencoderSettings) -> Autoencoder:
    """Build the model that the settings name, with fresh weights from torch's random state."""
    return _AUTOENCODERS[settings.name](settings)
