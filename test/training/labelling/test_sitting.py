# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a sitting begins with: all recordings that a folder holds, however small and many."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import torch
from recorder import record, rgbd
from rich.console import Console

from mm_perception.pipeline import Pipeline
from training.labelling.book import Book
from training.labelling.desk import Desk, Range
from training.labelling.sitting import Options, _frames, _recipe_beside_the_bundle
from training.recipe import read_recipe
from training.recordings.bags import find_recordings
from training.recordings.labels import from_csv

BACKBONES = tuple(
    f'pipeline.backbones.{modality}.{setting}'
    for modality in ('rgb', 'depth')
    for setting in ('name=squeezenet1_0', 'weights=random')
)
PAIRS = (1, 3, 2, 1)
"""In each of the small recordings in which a robot keeps what it was unsure of."""


def options_for(folder: Path, tmp_path: Path) -> Options:
    return Options(
        *((folder,), None, None, tmp_path / 'model', None, None, BACKBONES, None, None, None),
        *(torch.device('cpu'), tmp_path / 'cache'),
    )


def test_what_few_labels_want_is_the_default_and_differs_in_nothing_else(tmp_path: Path) -> None:
    options = options_for(tmp_path, tmp_path)
    by_default, usual = read_recipe(_recipe_beside_the_bundle(options)), read_recipe(Path('rgbd'))
    assert by_default.model == {**usual.model, 'alpha': 30}
    assert by_default.model_copy(update={'model': usual.model}) == usual
    named = replace(options, recipe=Path('rgbd'))
    assert _recipe_beside_the_bundle(named) == Path('rgbd')
    (tmp_path / 'model' / 'bundle').mkdir(parents=True)
    (tmp_path / 'model' / 'recipe.yaml').write_text('model: {name: m2}\n')
    assert _recipe_beside_the_bundle(options) == tmp_path / 'model' / 'recipe.yaml'


def test_a_folder_of_many_small_recordings_is_opened_and_labelled_whole(tmp_path: Path) -> None:
    folder = tmp_path / 'unsure'
    for number, pairs in enumerate(PAIRS):
        record(folder / f'uncertain_{number:06d}_20261121T1200{number:02d}Z', rgbd(pairs))
    (folder / '.uncertain_000004_20261121T120004Z').mkdir()  # one that is still being written
    options = options_for(folder, tmp_path)
    recipe = read_recipe(Path('rgbd'), options.changes)
    recordings = find_recordings(options.bags)
    console = Console(file=io.StringIO())
    takes, features, empty = _frames(
        recordings, options, recipe, Pipeline(recipe.pipeline, {}), console
    )
    assert ([len(take) for take in takes], empty) == (list(PAIRS), [])
    desk = Desk(takes, features, Book(options.label_file, recordings), options.device)
    asked = desk.state()['queue']
    assert sorted(asked) == list(range(len(desk.view.stretches)))
    desk.label([Range(1, 0, 1)], 'mug')
    rest = next(
        n for n, s in enumerate(desk.view.stretches) if (s.recording, s.last) == (1, PAIRS[1] - 1)
    )
    assert rest in desk.state()['queue']
    desk.label([Range(n, 0, pairs - 1) for n, pairs in enumerate(PAIRS)], 'mug')
    assert desk.state()['queue'] == []
    assert len(from_csv(folder / 'labels.csv', recordings).spans) == len(PAIRS)
