# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Tables 5 and 6 run on a folder laid out as published, and learn only from what they may."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_washington import SIZE, Crop, coloured, write_crops
from rich.console import Console
from squeezenet import write_weights

from mm_perception.errors import (
    LabelError,
    MMPerceptionError,
    RecordingError,
    SettingsError,
    WeightsError,
)
from training.fitting.climb import Run
from training.paper.results import Result, read
from training.paper.washington.classifier_only import fit_classifier
from training.paper.washington.experiment import backbone_changes, run_table, score, ways
from training.paper.washington.features import Prepared, Setting, prepare
from training.paper.washington.splits import read_objects
from training.recipe import PAPER, read_recipe
from training.recordings.washington import find_crops

CPU = torch.device('cpu')
SMALL = [
    *backbone_changes('squeezenet1_0'),
    'pipeline.preprocessing.size=36',
    'model.widths={hidden: 16, a: 8, z: 8}',
    'labelled_fraction=0.2',
]
COLOURS = {'apple': (200, 40, 30), 'ball': (30, 60, 200), 'cap': (60, 180, 40)}
OBJECTS = ('apple_1', 'apple_2', 'ball_1', 'ball_2', 'cap_1')


@dataclass
class Place:
    folder: Path
    weights: Path
    cache: Path

    def run(self, results: Path, table: Any = 'table5', **options: Any) -> list[Result]:
        defaults = {'changes': SMALL, 'epochs': 2, 'fine_tuning_epochs': 1, 'cache': self.cache}
        console = Console(file=io.StringIO())
        found = defaults | {'weights': self.weights, 'device': CPU, 'console': console} | options
        return run_table(table, self.folder, results, **found)

    def setting(self, changes: Sequence[str] = (), epochs: int = 1) -> Setting:
        recipe = read_recipe(Path('washington'), [*SMALL, *changes])
        console = Console(file=io.StringIO())
        return Setting(
            recipe,
            PAPER.model_copy(update={'epochs': epochs}),
            self.weights,
            self.cache,
            CPU,
            console,
        )


def write_objects(root: Path, frames: int = 60) -> Path:
    """Coloured crops whose depth slopes another way in each category."""
    slopes = {'apple': (3.0, 0.0), 'ball': (0.0, 3.0), 'cap': (3.0, -3.0)}
    down, across = np.mgrid[: SIZE[0], : SIZE[1]]
    flat = coloured(COLOURS)

    def crop(category: str) -> Crop:
        rgb, depth = flat(category)
        slope = slopes[category]
        return rgb, depth + slope[0] * down + slope[1] * across

    return write_crops(root, OBJECTS, frames, crop)


@pytest.fixture(scope='module')
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp('washington')
    return Place(write_objects(root / 'made'), write_weights(root), root / 'cache')


@pytest.fixture(scope='module')
def prepared(place: Place) -> Prepared:
    return prepare(read_objects(place.folder), 1, place.setting())


def test_table5_has_a_row_for_each_model_and_way(place: Place, tmp_path: Path) -> None:
    results = tmp_path / 'results.csv'
    rows = place.run(results, trials=[2])
    given = [(r.model, r.missing, [m for m in ('x', 'w', 'xw') if getattr(r, m)]) for r in rows]
    every = ['x', 'w', 'xw']
    assert [(model, missing) for model, missing, _ in given] == [
        ('m2', ''),
        ('m2', ''),
        ('sdgm', ''),
        ('sdgm', ''),
        ('ss_mvae', 'zero fill'),
        ('ss_hmvae', 'zero fill'),
        ('ss_hmvae', 'iterative'),
        ('ss_hmvae_kl', 'kl'),
    ]
    measured = [[m for m in every if getattr(r, m) is not None] for r in rows]
    assert measured == [['x'], ['w'], ['x'], ['w'], every, every, every, every]
    assert rows[5].xw == rows[6].xw  # nothing is missing there
    for row in rows:
        assert (row.data, row.labels, row.split, row.metric) == (
            'made, squeezenet1_0', '20%', 2, 'accuracy',
        )  # fmt: skip
        assert (row.epochs, row.recipe[:4], row.device) == (2, 'own-', 'cpu')
        assert all((getattr(row, f'ece_{m}') is None) == (getattr(row, m) is None) for m in every)
    assert read(results) == rows


def test_what_is_in_the_results_is_not_run_again(place: Place, tmp_path: Path) -> None:
    results = tmp_path / 'results.csv'
    chosen: dict[str, Any] = {'trials': [2], 'models': ['m2', 'ss_hmvae_kl']}
    first = place.run(results, **chosen)
    text = results.read_text()
    assert place.run(results, **chosen) == []
    assert results.read_text() == text
    results.write_text(''.join(text.splitlines(keepends=True)[:2]))  # m2 by depth is lost
    again = place.run(results, **chosen)
    assert [(r.model, r.x, r.w, r.xw) for r in again] == [
        (r.model, r.x, r.w, r.xw) for r in first[1:]
    ]  # m2 by RGB is there; of the rest the same seed gives the same figures


def test_table6_knows_all_labels_but_tunes_on_few(place: Place, tmp_path: Path) -> None:
    before = set((place.cache / 'fine_tuned').glob('*'))
    few = place.run(tmp_path / 'few.csv', trials=[2], models=['ss_hmvae'])
    assert [row.missing for row in few] == ['zero fill', 'iterative']
    tuned = set((place.cache / 'fine_tuned').glob('*'))
    rows = place.run(tmp_path / 'all.csv', 'table6', trials=[2])
    assert [(r.model, r.missing, r.labels) for r in rows] == [
        ('sdgm', '', 'all'),
        ('sdgm', '', 'all'),
        ('ss_hmvae', 'zero fill', 'all'),
        ('ss_hmvae_kl', 'kl', 'all'),
    ]
    assert set((place.cache / 'fine_tuned').glob('*')) == tuned >= before


def test_fine_tuning_opens_labelled_training_crops_only(
    place: Place, prepared: Prepared, tmp_path: Path
) -> None:
    spoilt = Place(write_objects(tmp_path / 'made'), place.weights, tmp_path / 'cache')
    objects = read_objects(spoilt.folder)
    labelled = objects.split(1, spoilt.setting().recipe).labelled
    assert len(labelled) == round(0.2 * 12 * 3)  # of apple_2, ball_2 and cap_1
    assert not {crop.instance for crop in labelled} & {'apple_1', 'ball_1'}
    for crop in {crop for source in objects.sources for crop in source.crops} - set(labelled):
        crop.rgb.write_bytes(b'')
        crop.depth.write_bytes(b'')
    with pytest.raises(RecordingError, match=r'apple_1_1_1_crop\.png: cannot be read'):
        prepare(objects, 1, spoilt.setting())  # the features: of every crop
    tuned = {path.name for path in (spoilt.cache / 'fine_tuned').iterdir()}
    assert len(tuned) == 2  # one a modality
    whole = prepared.setting.cache / 'fine_tuned'
    assert tuned <= {path.name for path in whole.iterdir()}


def test_held_out_labels_teach_nothing(prepared: Prepared) -> None:
    for labels, known in (('few', round(0.2 * 36)), ('all', 36)):
        train, test = prepared.data(labels, ('rgb', 'depth'))  # type: ignore[arg-type]
        assert (len(train.labels), int((train.labels >= 0).sum())) == (36, known)
        assert test.labels.tolist() == [0] * 12 + [1] * 12  # apple_1 and ball_1 alone are scored
        assert train.classes == ('apple', 'ball', 'cap')
        assert train.features['depth'].shape == (36, 512)


def test_classifier_alone_learns_and_its_decoders_stay(prepared: Prepared) -> None:
    train, test = prepared.data('all', ('rgb', 'depth'))
    changes = ['optimisation.epochs=60', 'optimisation.learning_rate=0.01', 'scaling=feature']
    recipe = read_recipe(Path('washington'), [*SMALL, *changes, 'model.name=ss_hmvae'])
    head = fit_classifier(train, recipe, Run(CPU))
    assert score(head, test, ('rgb', 'depth'), '', CPU).accuracy == 1.0
    torch.manual_seed(recipe.seed)
    fresh = type(head)(head.model.settings)
    same = {
        name.split('.')[1]
        for name, value in fresh.named_parameters()
        if torch.equal(value, head.get_parameter(name))
    }
    assert {'p_x_a', 'p_a_zy', 'q_z_ay'} <= same
    assert 'q_y_a' not in same


def test_zero_fill_and_sampling_never_see_what_is_missing(prepared: Prepared) -> None:
    _, test = prepared.data('few', ('rgb', 'depth'))
    recipe = read_recipe(Path('washington'), [*SMALL, 'model.name=ss_hmvae'])
    train, _ = prepared.data('all', ('rgb', 'depth'))
    head = fit_classifier(train, recipe, Run(CPU))
    other = test.features | {'depth': test.features['depth'] + 5}
    changed = type(test)(other, test.labels, test.classes)
    for missing in ways('ss_hmvae', 'few'):
        one, two = (score(head, data, ('rgb',), missing, CPU) for data in (test, changed))
        assert np.array_equal(one.probabilities, two.probabilities)


def published(changes: Sequence[str] = (), epochs: int = 200) -> str:
    recipe = read_recipe(Path('washington'), changes)
    nowhere = Path('nowhere')
    return Setting(
        recipe,
        PAPER.model_copy(update={'epochs': epochs}),
        None,
        nowhere,
        CPU,
        Console(file=io.StringIO()),
    ).called()


def test_recipe_is_called_the_papers_only_where_it_is() -> None:
    assert published() == published(['seed=7', 'model.name=sdgm']) == 'paper'
    assert published(epochs=20) == published(['optimisation.epochs=5']) == 'shortened'
    assert published(['optimisation.epochs=5000']) == 'longer'
    assert published(backbone_changes('squeezenet1_0')) == 'shortened'
    assert published(['labelled_fraction=0.1']) == 'paper'  # a row names its labels


def test_recipes_of_ones_own_are_told_apart_by_what_rows_do_not_say() -> None:
    own = {
        published(changes)
        for changes in (
            ['optimisation.learning_rate=0.1'],
            ['every=1'],
            ['model.beta=0.1'],
            ['pipeline.backbones.rgb.layer=features'],
            ['pipeline.backbones.rgb.name=squeezenet1_0'],
        )
    }
    assert len(own) == 5
    assert all(re.fullmatch('own-[0-9a-f]{6}', name) for name in own)
    one, other = (
        ['every=1', f'optimisation.epochs={epochs}', *kind]
        for epochs, kind in (
            (3, ['pipeline.preprocessing.depth_encoding=hha']),
            (4, ['labelled_fraction=0.2', *backbone_changes('squeezenet1_0')]),
        )
    )
    assert published(one) == published(other)


def spoil(folder: Path, name: str, kept: int | None) -> None:
    path = folder / 'apple' / 'apple_2' / name
    if kept is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:kept])


@pytest.mark.parametrize(
    ('name', 'kept', 'message'),
    [
        ('apple_2_1_1_depthcrop.png', None, r'apple_2_1_1_crop\.png: its apple_2_1_1_depthcrop'),
        ('apple_2_1_6_depthcrop.png', 100, r'apple_2_1_6_depthcrop\.png: cannot be read'),
    ],
)
def test_damaged_folder_is_named_and_nothing_is_added(
    place: Place, tmp_path: Path, name: str, kept: int | None, message: str
) -> None:
    place = Place(write_objects(tmp_path / 'spoilt', 20), place.weights, tmp_path / 'cache')
    spoil(place.folder, name, kept)
    with pytest.raises(RecordingError, match=message):
        place.run(tmp_path / 'results.csv', models=['m2'])
    assert not (tmp_path / 'results.csv').exists()


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        ({'trials': [3]}, LabelError, 'has trials 1 to 2, not 3'),
        ({'models': ['mvae']}, SettingsError, 'model mvae: not in table5; it has m2, sdgm'),
        ({'weights': Path('none.safetensors')}, WeightsError, 'none.safetensors: no such weights'),
        ({'changes': ['every=0']}, SettingsError, 'every'),
        (
            {'changes': backbone_changes('squeezenet1_0', weights='random')},
            SettingsError,
            'random weights are nothing to fine-tune',
        ),
    ],
)
def test_wrong_options_are_named(
    place: Place,
    tmp_path: Path,
    options: dict[str, Any],
    error: type[MMPerceptionError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        place.run(tmp_path / 'results.csv', **options)
    assert not (tmp_path / 'results.csv').exists()


def test_missing_imagenet_weights_are_never_replaced_by_random_ones(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    changes = [*SMALL, *backbone_changes('squeezenet1_0', weights='imagenet')]
    with pytest.raises(
        WeightsError, match='ImageNet weights of squeezenet1_0 are not in the torch cache'
    ):
        place.run(tmp_path / 'results.csv', changes=changes, weights=None)


def test_real_apples_and_balls_are_told_apart_by_colour(shared_data: Path, tmp_path: Path) -> None:
    for crop in find_crops(shared_data / 'uw_rgbd', every=30):
        if crop.instance in ('apple_1', 'apple_2', 'ball_1', 'ball_2') and crop.sequence == 1:
            folder = tmp_path / 'part' / crop.category / crop.instance
            folder.mkdir(parents=True, exist_ok=True)
            for path in (crop.rgb, crop.depth):
                (folder / path.name).symlink_to(path)
    weights = shared_data / 'weights/squeezenet1_0_imagenet.fp16.safetensors'
    size = 'pipeline.preprocessing.size=80'
    changes = [*SMALL, size, 'model.widths={hidden: 128, a: 32, z: 8}', 'scaling=feature']
    (row,) = Place(tmp_path / 'part', weights, tmp_path / 'cache').run(
        tmp_path / 'results.csv',
        'table6',
        changes=[*changes, 'optimisation.learning_rate=0.002'],
        trials=[1],
        models=['ss_hmvae'],
        epochs=40,
    )
    assert (row.data, row.labels) == ('part, squeezenet1_0', 'all')
    assert row.x is not None
    assert row.x >= 80
