# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""With and without unlabelled frames: the same labels, the same features, as many steps."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_washington import coloured, write_crops
from rich.console import Console
from squeezenet import write_weights

from mm_perception.errors import LabelError, SettingsError, TrainingError
from training.fitting.climb import UNLABELLED, batches
from training.fitting.fit import TrainingData
from training.paper.learners import LABELLED_ONLY, LEARNERS, LINEAR, SEMI_SUPERVISED
from training.paper.results import Result, read
from training.paper.washington.experiment import backbone_changes
from training.paper.washington.features import Setting
from training.paper.washington.few_labels import run_few_labels
from training.paper.washington.linear import linear_scores
from training.paper.washington.splits import read_objects
from training.paper.washington.trials import labelled_only, lasting_as_long
from training.recipe import read_recipe

COLOURS = {'apple': (200, 40, 30), 'ball': (30, 60, 200), 'cap': (60, 180, 40)}
SMALL = [
    *backbone_changes('squeezenet1_0'),
    'pipeline.preprocessing.size=36',
    'model.widths={hidden: 16, a: 8, z: 8}',
    'labelled_fraction=0.2',
    'views=1',
    'optimisation.epochs=2',
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve coloured crops each of two apples, two balls and a cap."""
    instances = 'apple_1', 'apple_2', 'ball_1', 'ball_2', 'cap_1'
    root = tmp_path_factory.mktemp('few') / 'made'
    return write_crops(root, instances, 59, coloured(COLOURS))


@pytest.fixture(scope='module')
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    root = tmp_path_factory.mktemp('setting')
    weights = write_weights(root)
    recipe = read_recipe(Path('few_labels'), SMALL)
    console = Console(file=io.StringIO())
    return Setting(recipe, None, weights, root / 'cache', torch.device('cpu'), console)


def test_every_learner_is_scored_in_every_mode_once(
    folder: Path, setting: Setting, tmp_path: Path
) -> None:
    results = tmp_path / 'results.csv'
    rows = run_few_labels(folder, results, setting, splits=[2], only=['2 a class'])
    assert [(r.labels, r.model) for r in rows] == [('2 a class', learner) for learner in LEARNERS]
    for row in rows:
        assert (row.data, row.split, row.recipe[:4]) == ('made, frozen squeezenet1_0', 2, 'own-')
        assert None not in (row.x, row.w, row.xw)
        assert row.epochs == (0 if row.model == LINEAR else 2)
    assert run_few_labels(folder, results, setting, splits=[2], only=['2 a class']) == []
    assert read(results) == rows
    results.write_text(''.join(results.read_text().splitlines(keepends=True)[:-1]))
    (again,) = run_few_labels(folder, results, setting, splits=[2], only=['2 a class'])
    assert figures(again) == figures(rows[-1])


def figures(row: Result) -> tuple[float | None, ...]:
    return row.x, row.w, row.xw, row.ece_x


def test_another_depth_encoding_is_another_set_of_results(
    folder: Path, setting: Setting, tmp_path: Path
) -> None:
    recipe = read_recipe(
        Path('few_labels'), [*SMALL, 'pipeline.preprocessing.depth_encoding=normals']
    )
    (row,) = run_few_labels(
        folder,
        tmp_path / 'results.csv',
        replace(setting, recipe=recipe),
        splits=[1],
        only=['linear, 1 a class'],
    )
    assert row.data == 'made, frozen squeezenet1_0, normals'


@pytest.mark.parametrize('count', [1, 3, 50])
def test_each_category_has_as_many_labels_from_objects_that_train(
    folder: Path, setting: Setting, count: int
) -> None:
    split = read_objects(folder).split(1, setting.recipe, count)
    found = [crop.category for crop in split.labelled]
    assert found == [name for name in COLOURS for _ in range(min(count, 12))]
    assert not {crop.instance for crop in split.labelled} & split.held_out
    assert len(set(split.labelled)) == len(split.labelled)


@pytest.mark.parametrize(
    ('options', 'error', 'says'),
    [
        (
            {'only': ['lineal']},
            SettingsError,
            '--only lineal: not in few_labels; it has: linear, 1',
        ),
        ({'splits': [3]}, LabelError, 'has trials 1 to 2, not 3'),
    ],
)
def test_wrong_choice_is_refused_before_anything_is_computed(
    folder: Path,
    setting: Setting,
    tmp_path: Path,
    options: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    fresh = replace(setting, cache=tmp_path / 'cache')
    with pytest.raises(error, match=says):
        run_few_labels(folder, tmp_path / 'results.csv', fresh, **options)
    assert not list(tmp_path.iterdir())


def test_a_teacher_is_refused(folder: Path, setting: Setting, tmp_path: Path) -> None:
    taught = replace(setting, recipe=read_recipe(Path('depth_encodings'), SMALL[:2]))
    with pytest.raises(
        SettingsError, match=r'^teaching: few_labels leaves .* take depth_encodings'
    ):
        run_few_labels(folder, tmp_path / 'results.csv', taught)


def test_more_labels_are_the_fewer_ones_and_others(folder: Path, setting: Setting) -> None:
    objects = read_objects(folder)
    one, five = (set(objects.split(1, setting.recipe, n).labelled) for n in (1, 5))
    assert one < five
    other = setting.recipe.model_copy(update={'seed': 1})
    assert set(objects.split(1, other, 5).labelled) != five


def made(labels: list[int], dimension: int = 4) -> TrainingData:
    """Two modalities whose features are the class, and a little noise."""
    random = torch.Generator().manual_seed(0)
    truth = torch.arange(len(labels)) % 2
    features = {
        name: torch.rand(len(labels), dimension, generator=random) + 3 * truth[:, None] * scale
        for name, scale in (('rgb', 1), ('depth', 0))
    }
    return TrainingData(features, torch.tensor(labels), ('one', 'other'))


def test_without_the_unlabelled_frames_the_labelled_ones_are_left_as_they_are() -> None:
    data = made([0, UNLABELLED, UNLABELLED, 1])
    view = {name: values + 1 for name, values in data.features.items()}
    few = labelled_only(replace(data, views=(view,)))
    assert few.labels.tolist() == [0, 1]
    assert torch.equal(few.views[0]['rgb'], view['rgb'][[0, 3]])
    assert torch.equal(few.features['rgb'], data.features['rgb'][[0, 3]])


def test_without_the_unlabelled_frames_there_are_as_many_steps(setting: Setting) -> None:
    data = made([0, 1] + [UNLABELLED] * 700)
    few = labelled_only(data)
    longer = lasting_as_long(setting.recipe, few, data).optimisation
    wanted = setting.recipe.optimisation
    per_epoch = len(list(batches(data.labels, wanted, 0, 0)))
    assert per_epoch > 1
    assert longer.epochs * len(list(batches(few.labels, longer, 0, 0))) == wanted.epochs * per_epoch


def test_linear_classifier_learns_by_what_it_is_given_alone() -> None:
    train, test = made([0, 1] * 3 + [UNLABELLED] * 20), made([0, 1] * 20)
    assert linear_scores(train, test, ['rgb'], 0).accuracy == 1
    assert linear_scores(train, test, ['depth', 'rgb'], 0).accuracy == 1
    blind = linear_scores(train, test, ['depth'], 0)
    assert blind.accuracy < 0.9
    changed = replace(test, features=test.features | {'rgb': test.features['rgb'] + 9})
    same = linear_scores(train, changed, ['depth'], 0)
    assert np.array_equal(same.probabilities, blind.probabilities)


def test_linear_classifier_learns_from_labelled_frames_alone() -> None:
    train, test = made([0, 1] * 3 + [UNLABELLED] * 20), made([0, 1] * 20)
    first = linear_scores(train, test, ['rgb'], 0)
    train.features['rgb'][6:] = 1e6
    assert np.array_equal(linear_scores(train, test, ['rgb'], 0).probabilities, first.probabilities)


def test_linear_classifier_takes_one_label_a_class_but_not_none() -> None:
    test = made([0, 1] * 20)
    assert linear_scores(made([0, 1] + [UNLABELLED] * 8), test, ['rgb'], 0).accuracy == 1
    with pytest.raises(TrainingError, match='no labelled training frame of other'):
        linear_scores(made([0] + [UNLABELLED] * 8), test, ['rgb'], 0)


def test_learners_have_names_that_results_keep_apart() -> None:
    assert len({LINEAR, LABELLED_ONLY, SEMI_SUPERVISED}) == len(LEARNERS)
