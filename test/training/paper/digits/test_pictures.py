# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Figure 5 from a tiny model: what is imagined, and that it is drawn."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import pytest
import torch
from rich.console import Console

from mm_perception.models import SSHMVAE, ModelSettings, Widths, build_model
from mm_perception.models.missing import zero_fill
from training.paper.digits.generation import imagine
from training.paper.digits.mnist import read_mnist
from training.paper.digits.pictures import draw_figure5
from training.paper.digits.recipe import DigitsRecipe
from training.paper.digits.suite import Suite
from training.paper.digits.trials import Trial
from training.paper.published import HALVES
from training.paper.results import Missing
from training.recipe import Optimisation


def tiny_model(name: str) -> SSHMVAE:
    torch.manual_seed(0)
    settings = ModelSettings(
        name=name,
        networks='mnist',
        modalities={'x': 6, 'w': 5},
        classes=3,
        widths=Widths(hidden=8, a=4, z=2),
    )
    model = build_model(settings).eval()
    assert isinstance(model, SSHMVAE)
    return model


@pytest.mark.parametrize(('name', 'way'), [('ss_hmvae', 'zero fill'), ('ss_hmvae_kl', 'kl')])
def test_what_an_encoder_tells_is_imagined_at_its_mean(name: str, way: Missing) -> None:
    model, given = tiny_model(name), {'x': torch.rand(7, 6)}
    single = way == 'kl'
    q_a = model.posterior(given) if single else model.q_a(**zero_fill(model, given))

    imagined = imagine(model, given, 'w', way)

    assert torch.equal(imagined, model.p_x_a['w'](a=q_a.mean).mean)


def test_iterative_sampling_imagines_the_missing_modality_by_drawing() -> None:
    model, given = tiny_model('ss_hmvae'), {'w': torch.rand(7, 5)}
    one, other = (imagine(model, given, 'x', 'iterative') for _ in range(2))
    assert one.shape == (7, 6)
    assert not torch.equal(one, other)


def test_figure_5_is_the_same_picture_each_time_and_has_ink(
    shared_data: Path, tmp_path: Path
) -> None:
    few = Optimisation(epochs=1, batch_size=64)
    suite = Suite(
        read_mnist(shared_data / 'mnist.npz'),
        DigitsRecipe(name='quick', hidden=16, unlabelled=128, test=50, optimisation=few),
        tmp_path / 'results.csv',
        tmp_path,
        torch.device('cpu'),
        Console(file=io.StringIO()),
    )
    trials = [Trial(data=HALVES, model=model, a=8) for model in ('ss_hmvae', 'ss_hmvae_kl')]

    path = draw_figure5(suite, trials, seed=0)

    first = path.read_bytes()
    picture = cv2.imread(str(path))
    assert picture is not None
    assert (picture < 60).all(axis=2).sum() > 1000
    assert draw_figure5(suite, trials, seed=0).read_bytes() == first
