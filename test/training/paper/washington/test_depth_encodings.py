# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Each form of depth, by a backbone as it is and by one that RGB's taught, once each."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from made_washington import SIZE, Crop, write_crops
from rich.console import Console
from squeezenet import write_weights

from mm_perception.errors import LabelError, SettingsError
from training.paper.learners import WAYS
from training.paper.results import read
from training.paper.washington.depth_encodings import run_depth_encodings
from training.paper.washington.experiment import backbone_changes
from training.paper.washington.features import Setting
from training.recipe import read_recipe

SMALL = [
    *backbone_changes('squeezenet1_0'),
    'pipeline.preprocessing.size=36',
    'teaching={epochs: 1, batch_size: 8, trainable: 0.1, precision: float32}',
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)

    def crop(category: str) -> Crop:
        rgb = random.integers(0, 255, (*SIZE, 3), np.uint8)
        return rgb, random.normal(800, 20 if category == 'apple' else 2, SIZE)

    instances = 'apple_1', 'apple_2', 'ball_1', 'ball_2'
    return write_crops(tmp_path_factory.mktemp('encodings') / 'made', instances, 19, crop)


@pytest.fixture(scope='module')
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    root = tmp_path_factory.mktemp('setting')
    weights = write_weights(root)
    recipe = read_recipe(Path('depth_encodings'), SMALL)
    console = Console(file=io.StringIO(), width=200)
    return Setting(recipe, None, weights, root / 'cache', torch.device('cpu'), console)


def test_every_way_is_scored_once_and_the_objects_held_out_teach_nothing(
    folder: Path, setting: Setting, tmp_path: Path
) -> None:
    results, only = tmp_path / 'results.csv', [f'hha, {way}, linear, 2' for way in WAYS]
    rows = run_depth_encodings(folder, results, setting, splits=[2], only=only, seeds=range(2))
    assert [(r.data, r.labels, r.seed, r.split) for r in rows] == [
        (f'made, {way} squeezenet1_0, hha', '2 a class', seed, 2) for way in WAYS for seed in (0, 1)
    ]
    said = setting.console.file.getvalue()  # type: ignore[attr-defined]
    assert 'of its 8 pairs know' in said  # of 16 crops; once for both seeds
    assert said.count('pairs know') == 1
    frozen, taught = rows[:2], rows[2:]
    assert [r.x for r in frozen] == [r.x for r in taught]  # RGB's backbone is the same
    assert run_depth_encodings(folder, results, setting, splits=[2], only=only) == []
    assert read(results) == rows


def test_what_is_not_there_is_refused(folder: Path, setting: Setting, tmp_path: Path) -> None:
    results = tmp_path / 'results.csv'
    with pytest.raises(SettingsError, match=r'^--only hsv: not in depth_encodings; it has: jet'):
        run_depth_encodings(folder, results, setting, only=['hsv'])
    with pytest.raises(LabelError, match='has trials 1 to 2, not 3'):
        run_depth_encodings(folder, results, setting, splits=[3])
