# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""RGB teaches depth on whatever trains, labelled or not, and the bundle carries what came of it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from made_washington import SIZE, Crop, write_crops
from rich.console import Console
from safetensors.torch import load_file
from squeezenet import write_weights

from mm_perception.bundle import Bundle
from mm_perception.errors import SettingsError
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline
from training.backbones.taught import _pairs
from training.features.dataset import Rows, load_dataset
from training.features.reading import Reading
from training.material import washington_material
from training.recipe import read_recipe
from training.session import Setting, run_session

SMALL = [
    *(f'pipeline.backbones.{m}={{name: squeezenet1_0, weights: file}}' for m in ('rgb', 'depth')),
    'pipeline.preprocessing={size: 36, depth_encoding: hha}',
    'model.widths={hidden: 16, a: 8, z: 8}',
    'labelled_fraction=0.3',
    'optimisation.epochs=1',
    'teaching={epochs: 1, batch_size: 8, trainable: 1, precision: float32}',
    'finetune={epochs: 1, batch_size: 8, patience: null, precision: float32}',
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)

    def crop(category: str) -> Crop:
        rgb = random.integers(0, 255, (*SIZE, 3)) // (2 if category == 'apple' else 1)
        return rgb, random.normal(800, 2, SIZE)

    instances = 'apple_1', 'apple_2', 'ball_1', 'ball_2'
    return write_crops(tmp_path_factory.mktemp('taught') / 'made', instances, 39, crop)


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp('weights'))


def test_bundle_carries_backbones_that_were_taught_first_and_tuned_then(
    folder: Path, weights: Path, tmp_path: Path
) -> None:
    said = io.StringIO()
    setting = Setting(
        tmp_path / 'model',
        torch.device('cpu'),
        tmp_path / 'cache' / 'features',
        weights,
        console=Console(file=said, width=200),
    )
    held_out = frozenset({'apple_2', 'ball_2'})
    recipe = read_recipe(Path('washington'), SMALL)
    outcome = run_session(recipe, setting, washington_material(folder), held_out)
    bundle = Bundle.load(outcome.bundle)
    Pipeline(bundle.manifest.pipeline, bundle.backbone_weights)  # the fingerprints fit
    assert bundle.manifest.pipeline.preprocessing.depth_encoding == 'hha'
    before, first = load_file(weights), 'features.0.weight'
    after = {modality: load_file(file) for modality, file in bundle.backbone_weights.items()}
    for modality, state in after.items():
        assert any(not torch.equal(state[name], before[name]) for name in before), modality
    # Tuning leaves the first layers alone: what is another there was taught.
    assert torch.equal(after[Modality.RGB][first], before[first])
    assert not torch.equal(after[Modality.DEPTH][first], before[first])
    # 5 of them have a label; those of the objects held out teach nothing.
    assert 'of its 16 pairs know their recording' in said.getvalue()


def test_a_pair_is_what_teacher_and_student_saw_at_one_moment(folder: Path) -> None:
    recipe = read_recipe(Path('washington'), SMALL)
    sources = washington_material(folder).sources

    seen = {}
    for source in sources:
        for batch in Reading(source, recipe.every, recipe.pipeline):
            for time, image in zip(batch.times, batch.images[Modality.DEPTH], strict=True):
                seen[source.name, time] = image
    rows = [
        Rows(
            source.name,
            torch.tensor([time for name, time in seen if name == source.name]),
            {'rgb': torch.arange(8).float().view(8, 1) + 100 * number},
            {},
        )
        for number, source in enumerate(sources)
    ]
    train = load_dataset(sources, lambda _name, _time: None, lambda _: rows)
    for most in (100, 10, 2):
        pairs = _pairs(sources, train, recipe, most)
        assert len(pairs) == min(most, 32)
        for image, feature, recording, time in zip(
            pairs.images, pairs.features[:, 0].tolist(), pairs.recordings, pairs.times, strict=True
        ):
            number, frame = divmod(int(feature), 100)
            assert int(recording) == number
            assert rows[number].times[frame] == time
            assert (image == seen[sources[number].name, int(time)]).all()


@pytest.mark.parametrize(
    ('change', 'cause'),
    [
        ('teaching={temperature: 0}', 'teaching.temperature = 0'),
        ('teaching={epoch: 3}', 'teaching.epoch = 3'),
        ('teaching={neighbours: -1}', 'teaching.neighbours = -1'),
        ('teaching={batch_size: 1}', 'teaching.batch_size = 1'),
    ],
)
def test_settings_that_make_no_sense_are_refused(change: str, cause: str) -> None:
    with pytest.raises(SettingsError, match=f'^recipe washington: {cause}'):
        read_recipe(Path('washington'), [change])


def test_teaching_takes_both_modalities() -> None:
    with pytest.raises(SettingsError, match='RGB teaches depth, so pipeline'):
        read_recipe(None, ['pipeline.backbones={depth: {}}', 'teaching={}'])
