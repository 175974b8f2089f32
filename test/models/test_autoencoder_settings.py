# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from mm_perception.models import JMVAE, JMVAEKL, MAE, AutoencoderSettings, build_autoencoder

ONE: dict[str, Any] = {'modalities': {'image': 5}, 'likelihoods': {'image': 'gaussian'}}
TWO: dict[str, Any] = {
    'modalities': {'image': 5, 'tags': 4},
    'likelihoods': {'image': 'gaussian', 'tags': 'bernoulli'},
}


@pytest.mark.parametrize(
    ('name', 'inputs', 'built'),
    [
        ('ae', ONE, MAE),
        ('vae', ONE, JMVAE),
        ('mae', TWO, MAE),
        ('mvae', TWO, JMVAE),
        ('jmvae_kl', TWO, JMVAEKL),
    ],
)
def test_a_model_is_built_by_its_name(name: str, inputs: dict[str, Any], built: type) -> None:
    settings = AutoencoderSettings(name=name, hidden=3, z=2, **inputs)

    assert type(build_autoencoder(settings)) is built


def test_settings_survive_yaml_even_when_it_sorts_their_keys() -> None:
    settings = AutoencoderSettings(name='jmvae_kl', beta=0.1, hidden=7, **TWO)

    written = yaml.safe_dump(settings.model_dump(), sort_keys=True)

    assert AutoencoderSettings.model_validate(yaml.safe_load(written)) == settings


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'name': 'rbm'}, "Input should be 'ae'"),
        ({'name': 'ae'}, r"ae with the modalities \['image', 'tags'\]: it takes one; .* use mae"),
        ({'name': 'vae'}, 'use mvae'),
        (
            {**ONE, 'name': 'jmvae_kl'},
            r"\['image'\]: it takes two or more; for these use ae or vae",
        ),
        ({'modalities': {}}, 'at least 1 item'),
        ({'modalities': {'image': 5, 'tags': 0}}, 'greater than 0'),
        ({'modalities': {'image': 5, 'z': 4}}, "modality 'z' cannot name a network"),
        ({'modalities': {'image': 5, 'my tags': 4}}, "modality 'my tags' cannot name a network"),
        ({'modalities': {'image': 5, 'keys': 4}}, "modality 'keys' cannot name a network"),
        ({'likelihoods': ONE['likelihoods']}, r"likelihoods of \['image'\]: give one to each"),
        ({'likelihoods': {'image': 'gaussian', 'tags': 'poisson'}}, "Input should be 'gaussian'"),
        ({'hidden': 0}, 'greater than 0'),
        ({'layers': 0}, 'greater than 0'),
        ({'beta': -1}, 'greater than or equal to 0'),
        ({'beta': float('nan')}, 'finite number'),
        ({'variance': 'relu'}, "Input should be 'exp_tanh'"),
        ({'width': 3}, 'Extra inputs are not permitted'),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AutoencoderSettings(**{'name': 'mvae', **TWO, **changes})
