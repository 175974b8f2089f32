# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mm_perception.observation import Modality
from mm_perception.pipeline import PipelineSettings
from mm_perception.preprocessing import depth_input
from training.backbones.shown import Shown
from training.features.augmentation import Augmentation

DEPTH = Modality.DEPTH


@pytest.mark.parametrize('encoding', ['jet', 'normals', 'hha'])
def test_an_object_seen_anew_is_one_that_the_camera_could_have_seen(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gravity = {'gravity': (0.6, 0.8, 0)} if encoding == 'hha' else {}
    settings = PipelineSettings.model_validate(
        {'preprocessing': {'size': 32, 'depth_encoding': encoding, **gravity}}
    )
    slope = np.tile(np.linspace(0.7, 0.9, 32, dtype=np.float32), (32, 1))
    image = depth_input(slope, settings.preprocessing)
    moment = Shown('one', 0, {DEPTH: slope}, {DEPTH: image})
    turned = Augmentation(0, 0, 1, 1, turned=True, light=1)
    monkeypatch.setattr(Augmentation, 'draw', lambda: turned)
    seen = moment.anew(DEPTH, settings).astype(int)
    expected = image[:, ::-1].astype(int)
    if encoding == 'normals':
        expected[..., 0] = 255 - expected[..., 0]  # what looked to the left looks to the right
    assert np.abs(seen - expected).max() <= 1


def test_what_is_left_without_a_distance_is_seen_as_it_was() -> None:
    hole = np.full((40, 40), np.nan, np.float32)
    hole[0, 0] = 1
    settings = PipelineSettings.model_validate({'preprocessing': {'size': 32}})
    image = depth_input(hole, settings.preprocessing)
    moment = Shown('one', 0, {DEPTH: hole}, {DEPTH: image})
    torch.manual_seed(0)
    seen = [moment.anew(DEPTH, settings) for _ in range(20)]
    assert any(each is image for each in seen)
