# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The experiment on MIR Flickr from its files to the rows of results, on a small made set.

In the made set images show one of two causes of the labels, and tags the other. Measured over the
seeds 0 to 4 of training, LRAP in %: the frequency of the labels alone gives 69.7, every model by
images 75.9-86.0 and by both 75.8-99.6. AE gains by tags 10.3 or more, MAE 13.3 or more; the models
that draw z gain less than they scatter.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_flickr import ITEMS, SPLITS, TAGS, write_flickr, write_tags

from mm_perception.errors import SettingsError, TrainingError
from mm_perception.models import build_autoencoder
from training.fitting.climb import Run
from training.interrupt import StoppedError
from training.paper.flickr.experiment import _represent, divide, run_flickr
from training.paper.flickr.files import read_flickr
from training.paper.flickr.ranking import label_ranking_average_precision
from training.paper.flickr.task import MODELS, PAPER, QUICK, FlickrRecipe, Task
from training.paper.results import Result, read
from training.recipe import Optimisation

CPU = Run(torch.device('cpu'))
RECIPE = FlickrRecipe(
    name='quick',
    model={'hidden': 24, 'z': 8, 'layers': 1},
    optimisation=Optimisation(epochs=15, batch_size=20, learning_rate=5e-3),
)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_flickr(tmp_path_factory.mktemp('made') / 'flickr')


@pytest.fixture(scope='module')
def rows(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Every model's row of the first division."""
    results = tmp_path_factory.mktemp('rows') / 'results.csv'
    models = (*MODELS, 'jmvae_kl')
    added = run_flickr(folder, results, CPU, RECIPE, splits=[1], models=models)
    assert read(results) == added
    return {row.model: row for row in added}


def test_every_setting_of_the_paper_has_its_figure(rows: dict[str, Result]) -> None:
    assert list(rows) == ['ae', 'vae', 'mae', 'mvae', 'jmvae_kl']
    for row in rows.values():
        assert (row.data, row.metric, row.labels) == ('MIR Flickr', 'lrap', 'all')
        assert (row.recipe, row.epochs, row.seed, row.split) == ('quick', 15, 0, 1)
        assert row.x is not None
        assert row.xw is not None
        assert row.w is None
        assert row.seconds > 0
    assert {model: row.missing for model, row in rows.items()} == {
        'ae': '',
        'vae': '',
        'mae': 'zero fill',
        'mvae': 'zero fill',
        'jmvae_kl': 'kl',
    }
    assert {row.model: row.beta for row in rows.values() if row.beta is not None} == {'jmvae_kl': 1}


def test_z_tells_of_the_labels_and_more_so_with_tags(rows: dict[str, Result], folder: Path) -> None:
    flickr = read_flickr(folder, [1])
    split = flickr.splits[1]
    frequent = flickr.labels[split.train].double().mean(0).expand(len(split.test), -1)
    truth = flickr.labels[split.test].numpy()
    knowing_nothing = 100 * label_ranking_average_precision(truth, frequent.numpy())

    for row in rows.values():
        assert min(row.x or 0, row.xw or 0) > knowing_nothing + 3, row
    for model in ('ae', 'mae'):
        assert (rows[model].xw or 0) > (rows[model].x or 100) + 5, rows[model]


def scores(results: list[Result]) -> list[tuple[float | None, float | None]]:
    return [(row.x, row.xw) for row in results]


@pytest.mark.parametrize('model', ['mae', 'mvae', 'jmvae_kl'])
def test_tags_of_test_items_change_nothing_where_they_are_missing(
    model: str, folder: Path, rows: dict[str, Result], tmp_path: Path
) -> None:
    other = write_flickr(tmp_path / 'flickr')
    test = np.load(other / 'splits/test_indices_1.npy')
    counts = read_flickr(folder, [1]).tags.numpy().astype(np.int64)
    counts[test] = np.random.default_rng(1).integers(0, 2, size=(len(test), TAGS))
    write_tags(other, counts)

    (row,) = run_flickr(other, tmp_path / 'results.csv', CPU, RECIPE, splits=[1], models=[model])

    assert row.x == rows[model].x
    assert row.xw != rows[model].xw


def test_what_is_in_the_results_is_not_run_again(folder: Path, tmp_path: Path) -> None:
    results, recipe = tmp_path / 'results.csv', RECIPE.lasting(1)
    first = run_flickr(folder, results, CPU, recipe, splits=[1], models=['ae'])

    more = run_flickr(folder, results, CPU, recipe, splits=[1, 2], models=['ae', 'mae'])

    assert [(row.model, row.split) for row in more] == [('mae', 1), ('ae', 2), ('mae', 2)]
    assert read(results) == [*first, *more]
    again = run_flickr(tmp_path / 'gone', results, CPU, recipe, splits=[1, 2], models=['ae', 'mae'])
    assert again == []
    other_seed = run_flickr(folder, results, CPU, recipe, seed=1, splits=[1], models=['ae'])
    assert [row.seed for row in other_seed] == [1]


def test_a_stopped_run_goes_on_to_the_same_figures(folder: Path, tmp_path: Path) -> None:
    recipe = RECIPE.lasting(2)
    whole = run_flickr(
        folder, tmp_path / 'whole.csv', CPU, recipe, splits=[1], models=['mae', 'vae']
    )
    done: list[object] = []
    run = replace(
        CPU,
        checkpoint=tmp_path / 'kept',
        resume=True,
        report=done.append,
        stopping=lambda: len(done) in {8, 21},  # in the first training, and in the second
    )
    results = tmp_path / 'results.csv'
    for _ in range(2):
        with pytest.raises(StoppedError, match='is kept'):
            run_flickr(folder, results, run, recipe, splits=[1], models=['mae', 'vae'])
        done.append('the stop')
    added = run_flickr(folder, results, run, recipe, splits=[1], models=['mae', 'vae'])

    assert scores(read(results)) == scores(whole)
    assert [row.model for row in added] == ['vae']
    assert list((tmp_path / 'kept').iterdir()) == []


def test_images_are_standardised_by_the_rows_that_are_learned_from(folder: Path) -> None:
    flickr = read_flickr(folder, range(1, SPLITS + 1))

    material = divide(flickr, 2, torch.device('cpu'))

    train, test = material.train['image'], material.test['image']
    torch.testing.assert_close(train.mean(0), torch.zeros(train.shape[1]), atol=1e-5, rtol=0)
    spread = train.std(0, correction=0)
    changing = torch.arange(train.shape[1]) != 3  # the made set's constant feature
    torch.testing.assert_close(spread[changing], torch.ones(train.shape[1] - 1))
    assert (train[:, 3] == 0).all()
    assert test.isfinite().all()
    assert test.mean(0).abs().max() > 1e-3
    assert len(train) + len(test) == ITEMS
    assert set(material.train['tags'].unique().tolist()) == {0, 1}


def test_z_is_drawn_and_the_same_each_time(folder: Path) -> None:
    """Of MAE, whose z is a point, it is the mean."""
    train = divide(read_flickr(folder, [1]), 1, torch.device('cpu')).train
    for name, drawn in (('mae', False), ('mvae', True)):
        task = Task(name, RECIPE, 0, 1)  # type: ignore[arg-type]  # one of the models
        model = build_autoencoder(task.settings({m: rows.shape[1] for m, rows in train.items()}))
        one, again = (_represent(model.eval(), train, task) for _ in range(2))
        assert torch.equal(one, again)
        assert torch.allclose(one, model.represent(train), atol=1e-5) != drawn


def test_a_division_that_is_not_published_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r'^--split 6: not in flickr, which has 1, 2, 3, 4, 5$'):
        run_flickr(folder, tmp_path / 'results.csv', CPU, RECIPE, splits=[1, 6])
    assert not (tmp_path / 'results.csv').exists()


def test_fewer_epochs_than_the_papers_are_called_shortened_and_more_longer() -> None:
    assert (PAPER.name, PAPER.optimisation.epochs) == ('paper', 100)
    assert PAPER.lasting(30).name == 'shortened'
    assert PAPER.lasting(100) == PAPER
    assert PAPER.lasting(200).name == 'longer'
    assert (QUICK.lasting(1).name, QUICK.lasting(1).optimisation.epochs) == ('quick', 1)


@pytest.mark.parametrize(
    ('model', 'message'),
    [
        ({'hidden': 0}, r'recipe quick: model.hidden: Input should be greater than 0'),
        ({'width': 3}, 'recipe quick: model.width: Extra inputs are not permitted'),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_read(
    model: dict[str, int], message: str, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={'model': model})

    with pytest.raises(SettingsError, match=message):
        run_flickr(tmp_path / 'nowhere', tmp_path / 'results.csv', CPU, recipe)

    assert not (tmp_path / 'results.csv').exists()


def test_a_training_that_ran_away_is_an_error_and_no_row(folder: Path, tmp_path: Path) -> None:
    wild = RECIPE.optimisation.model_copy(update={'learning_rate': 1e30, 'epochs': 2})
    recipe = RECIPE.model_copy(update={'optimisation': wild})

    with pytest.raises(TrainingError, match=r'mvae, split 1: z is not finite .*learning_rate'):
        run_flickr(folder, tmp_path / 'results.csv', CPU, recipe, splits=[1], models=['mvae'])

    assert read(tmp_path / 'results.csv') == []
