# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The deep generative models, one file each, named and written like the papers."""

from __future__ import annotations

from mm_perception.models.autoencoder import Autoencoder
from mm_perception.models.autoencoder_settings import AutoencoderSettings
from mm_perception.models.jmvae import JMVAE
from mm_perception.models.jmvae_kl import JMVAEKL
from mm_perception.models.m2 import M2
from mm_perception.models.mae import MAE
from mm_perception.models.missing import iterative_sampling, zero_fill
from mm_perception.models.objective import Objective
from mm_perception.models.sdgm import SDGM
from mm_perception.models.semi_supervised import SemiSupervised
from mm_perception.models.settings import ModelSettings, Widths
from mm_perception.models.ss_hmvae import SSHMVAE
from mm_perception.models.ss_hmvae_kl import SSHMVAEKL
from mm_perception.models.ss_mvae import SSMVAE

__all__ = [
    'JMVAE',
    'JMVAEKL',
    'M2',
    'MAE',
    'SDGM',
    'SSHMVAE',
    'SSHMVAEKL',
    'SSMVAE',
    'Autoencoder',
    'AutoencoderSettings',
    'ModelSettings',
    'Objective',
    'SemiSupervised',
    'Widths',
    'build_autoencoder',
    'build_model',
    'iterative_sampling',
    'zero_fill',
]

_MODELS: dict[str, type[SemiSupervised]] = {
    'm2': M2,
    'sdgm': SDGM,
    'ss_mvae': SSMVAE,
    'ss_hmvae': SSHMVAE,
    'ss_hmvae_kl': SSHMVAEKL,
}
_AUTOENCODERS: dict[str, type[Autoencoder]] = {
    'ae': MAE,
    'mae': MAE,
    'vae': JMVAE,
    'mvae': JMVAE,
    'jmvae_kl': JMVAEKL,
}


def build_model(settings: ModelSettings) -> SemiSupervised:
    """Build the model that the settings name, with fresh weights from torch's random state."""
    return _MODELS[settings.name](settings)


def build_autoencoder(settings: AutoencoderSettings) -> Autoencoder:
    """Build the model that the settings name, with fresh weights from torch's random state."""
    return _AUTOENCODERS[settings.name](settings)
