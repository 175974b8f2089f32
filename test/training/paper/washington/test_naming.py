# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is taken for done is what was learned in the same way, and nothing else."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
import torch
from rich.console import Console

import training.paper
from training.paper.learners import FROZEN, LABELLED_ONLY, LEARNERS, LINEAR, SEMI_SUPERVISED, TAUGHT
from training.paper.results import Result, read
from training.paper.washington.depth_encodings import Kind
from training.paper.washington.experiment import backbone_changes
from training.paper.washington.features import Setting
from training.paper.washington.splits import Objects
from training.paper.washington.trials import Trial, of_the_same
from training.recipe import PAPER, read_recipe

CPU = torch.device('cpu')
EXPERIMENTS = ('few_labels', 'depth_encodings')


@dataclass(frozen=True)
class Six(Objects):
    """Objects of which only the number of categories is asked."""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple('abcdef')


OBJECTS = Six('uw_rgbd', (), (), '')


@pytest.fixture(scope='module')
def shipped() -> list[Result]:
    return read(Path(training.paper.__path__[0]) / 'results.csv')


def setting(experiment: str, changes: Sequence[str] = (), recipe: str | None = None) -> Setting:
    """Give the setting of ``--recipe ours --backbone squeezenet1_0 --backbone-weights FILE``."""
    backbone = backbone_changes('squeezenet1_0')
    found = read_recipe(Path(recipe or experiment), [*backbone, *changes])
    console = Console(file=io.StringIO())
    return Setting(found, None, None, Path('nowhere'), CPU, console).named(experiment)


def few_labels(which: Setting) -> Iterator[tuple[Trial, Setting]]:
    """Give the trials of ``--seeds 3 --only '2 a class' --only 5%``."""
    for learner, per_class, split, seed in product(LEARNERS, (2, None), range(1, 5), range(3)):
        yield Trial(learner, per_class, split, seed), which


def depth_encodings(which: Setting) -> Iterator[tuple[Trial, Setting]]:
    """Give the trials of ``--split 3 --split 4 --seeds 3``."""
    learners = LINEAR, SEMI_SUPERVISED
    for encoding, way, learner in product(('jet', 'normals', 'hha'), (FROZEN, TAUGHT), learners):
        for per_class, split, seed in product((2, None), (3, 4), range(3)):
            kind = Kind(encoding, way, learner, per_class)
            yield Trial(learner, per_class, split, seed), kind.setting(which)


def done(rows: Sequence[Result], trials: Iterator[tuple[Trial, Setting]]) -> list[bool]:
    return [any(of_the_same(rows, OBJECTS, trial, own)) for trial, own in trials]


def test_what_was_measured_for_the_pages_is_not_run_again(shipped: list[Result]) -> None:
    assert all(done(shipped, few_labels(setting('few_labels'))))
    assert all(done(shipped, depth_encodings(setting('depth_encodings'))))
    every = setting('few_labels', ['labelled_fraction=1'])
    assert all(done(shipped, ((Trial(LINEAR, None, split, 0), every) for split in range(1, 5))))


@pytest.mark.parametrize('experiment', EXPERIMENTS)
@pytest.mark.parametrize(
    'change',
    [
        'model.gamma=10',
        'model.stop_gradient=true',
        'model.widths={hidden: 12, a: 64, z: 64}',
        'optimisation.learning_rate=0.5',
        'optimisation.batch_size=7',
        'views=3',
        'every=50',
        'scaling=feature',
        'teaching={epochs: 1}',
        'pipeline.preprocessing.size=36',
        'pipeline.backbones.depth.layer=features',
    ],
)
def test_another_setting_is_another_recipe_to_every_learner(
    shipped: list[Result], experiment: str, change: str
) -> None:
    other = setting(experiment, [change])
    assert re.fullmatch('own-[0-9a-f]{6}', other.called())
    trials = {'few_labels': few_labels, 'depth_encodings': depth_encodings}[experiment]
    assert not any(done(shipped, trials(other)))


@pytest.mark.parametrize('experiment', EXPERIMENTS)
def test_what_a_row_says_is_no_part_of_the_name(experiment: str) -> None:
    own = setting(experiment, ['every=50'])
    for change in (
        'optimisation.epochs=3',
        'labelled_fraction=0.5',
        'pipeline.preprocessing.depth_encoding=hha',
        'seed=4',
    ):
        assert setting(experiment, [change]).called() == 'ours'
        assert setting(experiment, ['every=50', change]).called() == own.called()
    short = setting(experiment, ['optimisation.epochs=3'])
    rows = read(Path(training.paper.__path__[0]) / 'results.csv')
    assert not any(of_the_same(rows, OBJECTS, Trial(LABELLED_ONLY, 2, 1, 0), short))


def test_the_other_experiments_recipe_is_not_this_ones() -> None:
    assert setting('few_labels', recipe='depth_encodings').called().startswith('own-')
    assert setting('depth_encodings', recipe='few_labels').called().startswith('own-')


def test_a_quick_look_is_the_papers_recipe_or_ones_own() -> None:
    for changes, name in (([], 'quick'), (['every=50'], 'own-')):
        recipe = read_recipe(Path('washington'), changes)
        for how in (None, PAPER):
            console = Console(file=io.StringIO())
            quick = Setting(recipe, how, None, Path('nowhere'), CPU, console, quick=True)
            assert quick.called().startswith(name)
            assert quick.named('few_labels').called() == quick.called()
