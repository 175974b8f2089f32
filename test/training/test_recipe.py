# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from mm_perception.errors import SettingsError
from training.options import RecipeName
from training.recipe import read_recipe, read_settings, recipe_names
from training.simulation.settings import SimulationSettings


def test_defaults_are_the_papers() -> None:
    recipe = read_recipe(None)
    optimisation = recipe.optimisation
    assert (optimisation.epochs, optimisation.batch_size) == (100, 128)
    assert optimisation.learning_rate == 1e-4
    model = recipe.model_settings({'rgb': 4096, 'depth': 4096}, classes=51)
    assert (model.name, model.networks) == ('ss_hmvae_kl', 'rgbd')
    assert (model.widths.hidden, model.widths.a, model.widths.z) == (1024, 1024, 1024)
    assert (model.alpha, model.beta) == (1, 1)
    assert {b.name for b in recipe.pipeline.backbones.values()} == {'vgg16'}
    assert recipe.pipeline.preprocessing.size == 148


@pytest.mark.parametrize('name', recipe_names())
def test_recipes_of_the_package_are_valid(name: str) -> None:
    read_recipe(Path(name))


def test_package_has_the_recipes_that_the_readme_names() -> None:
    assert {'rgbd', 'washington', 'demo'} <= set(recipe_names())


def test_changes_are_applied_in_order() -> None:
    changes = ['optimisation.epochs=3', 'model.beta=0.1', 'optimisation.epochs=4', 'seed=7']
    recipe = read_recipe(Path('rgbd'), changes)
    assert recipe.optimisation.epochs == 4
    assert recipe.model['beta'] == 0.1
    assert recipe.seed == 7


def test_change_of_one_backbone_setting_keeps_the_others() -> None:
    recipe = read_recipe(
        None, ['pipeline.backbones.rgb.name=resnet18', 'pipeline.backbones.depth.seed=2']
    )
    names = {m.value: b.name for m, b in recipe.pipeline.backbones.items()}
    assert names == {'rgb': 'resnet18', 'depth': 'vgg16'}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('optimisation.epochs', 'must have the form'),
        ('optimisation.epochs=0', 'optimisation.epochs = 0'),
        ('optimisation.epoch=3', 'optimisation.epoch'),
        ('model.omega=1', 'model.omega'),
        ('model.beta=-1', 'model.beta = -1'),
        ('seed.x=1', 'seed'),
        ('pipeline.region.kind=circle', 'pipeline.region.kind'),
        ('seed=[', 'is not YAML'),
    ],
)
def test_wrong_setting_is_named(change: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_recipe(Path('rgbd'), [change])
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


def test_settings_that_do_not_go_together_are_told_in_our_words_alone() -> None:
    with pytest.raises(SettingsError, match=r"^simulation: categories: no 'mug'; choose from"):
        read_settings(SimulationSettings, {}, ['categories=[mug]'], 'simulation')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('- a\n', 'must be a mapping'),
        ('{', 'recipe'),
        ('surprise: 1\n', 'surprise'),
        (b'\xff', 'recipe'),
    ],
)
def test_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    file = tmp_path / 'mine.yaml'
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError, match=message) as caught:
        read_recipe(file)
    assert str(file) in str(caught.value)


def test_recipe_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(SettingsError, match=r'rgbdd.*rgbd, washington'):
        read_recipe(Path('rgbdd'))


def test_help_names_every_recipe() -> None:
    told = RecipeName.__metadata__[0].help  # type: ignore[attr-defined]  # of an Annotated
    assert [name for name in recipe_names() if f' {name}' not in told] == []
