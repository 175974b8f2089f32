# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import yaml
from pydantic import ValidationError

from mm_perception.models import (
    M2,
    SDGM,
    SSHMVAE,
    SSHMVAEKL,
    SSMVAE,
    ModelSettings,
    SemiSupervised,
    Widths,
    build_model,
)
from mm_perception.observation import Modality

TWO = {'rgb': 4, 'depth': 3}


@pytest.mark.parametrize(
    ('networks', 'widths'),
    [
        ('mnist', Widths(hidden=512, a=128, z=64)),
        ('rgbd', Widths(hidden=1024, a=1024, z=1024)),
    ],
)
def test_widths_are_the_papers_unless_given(networks: str, widths: Widths) -> None:
    assert ModelSettings(networks=networks, modalities=TWO, classes=3).widths == widths


def test_alpha_and_beta_are_the_papers_for_rgbd() -> None:
    settings = ModelSettings(modalities=TWO, classes=3)

    assert (settings.name, settings.networks) == ('ss_hmvae_kl', 'rgbd')
    assert (settings.alpha, settings.beta, settings.label_inference) == (1.0, 1.0, 'gumbel')


def test_settings_survive_yaml_even_when_it_sorts_their_keys() -> None:
    settings = ModelSettings(
        networks='mnist', modalities=TWO, classes=3, widths=Widths(hidden=8, a=4, z=2), beta=0.1
    )

    written = yaml.safe_dump(settings.model_dump(), sort_keys=True)

    assert ModelSettings.model_validate(yaml.safe_load(written)) == settings


def test_modalities_of_the_camera_become_plain_names() -> None:
    settings = ModelSettings(modalities={Modality.RGB: 4, Modality.DEPTH: 3}, classes=3)

    assert [type(name) for name in settings.modalities] == [str, str]
    assert settings.modalities == TWO


@pytest.mark.parametrize(
    ('wrong', 'field'),
    [
        ({'name': 'vae'}, 'name'),
        ({'networks': 'cifar'}, 'networks'),
        ({'modalities': {}}, 'modalities'),
        ({'modalities': {'rgb': 0}}, 'modalities'),
        ({'modalities': {'y': 4}}, "modality 'y'"),
        ({'modalities': {'keys': 4}}, "modality 'keys'"),
        ({'modalities': {'training': 4}}, "modality 'training'"),
        ({'modalities': {'left.half': 4}}, "modality 'left.half'"),
        ({'classes': 1}, 'classes'),
        ({'beta': -1.0}, 'beta'),
        ({'beta': float('nan')}, 'beta'),
        ({'alpha': float('inf')}, 'alpha'),
        ({'temperature': 0.0}, 'temperature'),
        ({'label_inference': 'argmax'}, 'label_inference'),
        ({'widths': {'hidden': 8, 'a': 0, 'z': 2}}, 'widths.a'),
        ({'depth': 3}, 'depth'),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(wrong: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        ModelSettings.model_validate({'modalities': TWO, 'classes': 3} | wrong)


@pytest.mark.parametrize(
    ('name', 'kind'),
    [
        ('m2', M2),
        ('sdgm', SDGM),
        ('ss_mvae', SSMVAE),
        ('ss_hmvae', SSHMVAE),
        ('ss_hmvae_kl', SSHMVAEKL),
    ],
)
def test_build_model_builds_the_named_one(name: str, kind: type[SemiSupervised]) -> None:
    widths = Widths(hidden=8, a=4, z=2)

    model = build_model(ModelSettings(name=name, modalities=TWO, classes=3, widths=widths))

    assert type(model) is kind
