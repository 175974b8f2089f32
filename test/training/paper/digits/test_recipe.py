# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recipes for digits are files; the paper's is the paper's."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_perception.errors import SettingsError
from training.paper.digits.recipe import read_digits_recipe

OWN = 'name: own\noptimisation: {epochs: 3}\n'
SHIPPED = Path(__file__).parents[4] / 'config' / 'paper'


def test_the_papers_recipe_is_what_the_paper_says() -> None:
    recipe = read_digits_recipe('paper')
    assert recipe.name == 'paper'
    assert recipe.hidden == 512
    assert recipe.warp is None
    assert recipe.unlabelled is None
    assert recipe.test is None
    assert recipe.model == {'label_inference': 'gumbel'}
    climb = recipe.optimisation
    assert (climb.epochs, climb.batch_size, climb.learning_rate) == (500, 512, 1e-3)
    assert climb.schedule == 'constant'


def test_other_epochs_make_the_papers_recipe_a_shortened_or_a_longer_one() -> None:
    shorter = read_digits_recipe('paper', epochs=60)
    assert (shorter.name, shorter.optimisation.epochs) == ('shortened', 60)
    assert read_digits_recipe('paper', epochs=500).name == 'paper'
    assert read_digits_recipe('paper', epochs=501).name == 'longer'
    assert read_digits_recipe('quick', epochs=1).name == 'quick'


def test_a_file_of_ones_own_is_a_recipe_too(tmp_path: Path) -> None:
    path = tmp_path / 'mine.yaml'
    path.write_text('name: own\nhidden: 64\noptimisation: {epochs: 3}\n')
    assert read_digits_recipe(str(path)).hidden == 64


def test_ones_own_recipes_are_told_apart_by_all_but_their_epochs(tmp_path: Path) -> None:
    path = tmp_path / 'mine.yaml'
    names = []
    for hidden in (64, 65):
        path.write_text(f'name: own\nhidden: {hidden}\noptimisation: {{epochs: 3}}\n')
        names.append(read_digits_recipe(str(path)).name)
        assert read_digits_recipe(str(path), epochs=4).name == names[-1]
    assert len(set(names)) == 2
    assert all(name.startswith('own-') for name in names)


def test_a_copy_of_a_shipped_recipe_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / 'copy.yaml'
    path.write_text((SHIPPED / 'ours.yaml').read_text())
    assert read_digits_recipe(str(path)) == read_digits_recipe('ours')


@pytest.mark.parametrize(
    ('content', 'says'),
    [
        ('name: own\noptimisation: {epochs: 0}\n', 'optimisation.epochs = 0'),
        ('name: mine\noptimisation: {epochs: 3}\n', "name = 'mine'"),
        ('name: paper\noptimisation: {epochs: 3}\n', "name: 'paper' is a shipped one's"),
        ('name: ours\nhidden: 64\noptimisation: {epochs: 3}\n', "call it 'own'"),
        ('name: shortened\noptimisation: {epochs: 3}\n', "call it 'own'"),
        ('name: own\n', 'optimisation'),
        (f'{OWN}model: {{alpha: 3}}\n', 'model.alpha: give it under trial:$'),
        (f'{OWN}model: {{gamma: 1, beta: 3}}\n', 'model.beta: give it under trial:$'),
        (f'{OWN}model: {{name: m2}}\n', 'model.name: give it under trial:, as model$'),
        (f'{OWN}model: {{widths: {{a: 3}}}}\n', 'model.widths: give the hidden layers as hidden:'),
        (f'{OWN}model: {{networks: rgbd}}\n', "model.networks: it is the digits' own$"),
        (f'{OWN}model: {{classes: 9}}\n', "model.classes: they are the digits' own$"),
        ('[1, 2]', 'must be a mapping'),
        ('name: [', 'while parsing'),
    ],
)
def test_a_wrong_recipe_is_refused_with_its_place(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / 'mine.yaml'
    path.write_text(content)
    with pytest.raises(SettingsError, match=f'recipe {path}: .*{says}'):
        read_digits_recipe(str(path))


def test_an_unknown_recipe_is_told_the_known_ones() -> None:
    with pytest.raises(SettingsError, match=r'nor one of .*paper, quick'):
        read_digits_recipe('fast')
