# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A depth backbone learns from another's features, and what it learned is a weights file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from squeezenet import write_weights

from mm_perception.errors import SettingsError, TrainingError, WeightsError
from mm_perception.features import BackboneSettings, load_backbone, sha256_of
from training.backbones.teaching import Pairs, teach
from training.fitting.climb import Progress, Run
from training.interrupt import StoppedError
from training.recipe import Teaching

SPEC = BackboneSettings(name='squeezenet1_0', weights='file')
SHORT = Teaching(epochs=2, batch_size=4, learning_rate=1e-3, trainable=0.2, precision='float32')
CPU = Run(torch.device('cpu'))


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp('weights'))


def pairs(count: int = 12, size: int = 36, features: int = 7) -> Pairs:
    """Stripes of three kinds, one a recording, whose teacher says which kind it is."""
    random = np.random.default_rng(0)
    recordings = torch.arange(count) % 3
    images = np.empty((count, size, size, 3), np.uint8)
    for image, kind in zip(images, recordings.tolist(), strict=True):
        stripes = (np.arange(size) // (3 + 4 * kind) % 2)[:, None, None]
        image[:] = stripes * random.integers(90, 255, 3)
    taught = torch.nn.functional.one_hot(recordings, features).float()
    times = torch.arange(count) * 1_000_000_000
    return Pairs(images, taught, recordings, times)


def test_teaching_brings_the_student_near_to_its_teacher(tmp_path: Path, weights: Path) -> None:
    steps: list[Progress] = []
    how = SHORT.model_copy(update={'epochs': 20, 'batch_size': 12, 'trainable': 1.0})
    learned = teach(SPEC, weights, pairs(), how, replace(CPU, report=steps.append), tmp_path)
    first, last = steps[:3], steps[-3:]
    assert (steps[-1].done, steps[-1].total) == (20, 20)
    assert sum(p.terms['contrastive'] for p in last) < sum(p.terms['contrastive'] for p in first)
    assert learned.recognised >= 0.9
    images = torch.from_numpy(pairs().images)
    before = load_backbone(SPEC, weights)(images)
    after = load_backbone(learned.settings(SPEC), learned.path)(images)
    assert after.min() >= 0
    assert not torch.allclose(before, after, atol=1e-3)


def test_file_says_what_it_was_made_of_and_only_the_last_layers_learned(
    tmp_path: Path, weights: Path
) -> None:
    learned = teach(SPEC, weights, pairs(), SHORT, CPU, tmp_path)
    assert list(tmp_path.iterdir()) == [learned.path]  # no checkpoint is left behind
    before, after = load_file(weights), load_file(learned.path)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert {name.split('.')[1] for name in changed} <= {'10', '12'}
    with safe_open(learned.path, framework='pt') as file:
        about = json.loads(file.metadata()['about'])
    assert about['from'] == sha256_of(weights)
    assert Teaching.model_validate(about['teaching']) == SHORT


def test_same_inputs_give_the_same_file_once(tmp_path: Path, weights: Path) -> None:
    one = teach(SPEC, weights, pairs(), SHORT, CPU, tmp_path / 'one')
    again = teach(SPEC, weights, pairs(), SHORT, CPU, tmp_path / 'again')
    assert (one.sha256, one.path.name, one.reused) == (again.sha256, again.path.name, False)
    assert teach(SPEC, weights, pairs(), SHORT, CPU, tmp_path / 'one').reused
    other = SHORT.model_copy(update={'seed': 1})
    assert teach(SPEC, weights, pairs(), other, CPU, tmp_path / 'one').sha256 != one.sha256


def test_stopped_run_goes_on_where_it_was(tmp_path: Path, weights: Path) -> None:
    given = replace(pairs(), anew=lambda row: pairs().images[row][:, :: 1 - 2 * draw()])
    whole = teach(SPEC, weights, given, SHORT, CPU, tmp_path / 'whole')
    asked = iter([False, False, False, True])
    stopping = replace(CPU, stopping=lambda: next(asked))
    with pytest.raises(StoppedError):
        teach(SPEC, weights, given, SHORT, stopping, tmp_path / 'parts')
    steps: list[Progress] = []
    going_on = replace(CPU, report=steps.append)
    rest = teach(SPEC, weights, given, SHORT, going_on, tmp_path / 'parts')
    assert [step.done for step in steps] == [4, 5, 6]
    assert rest.sha256 == whole.sha256


def draw() -> int:
    return int(torch.randint(2, ()))


@pytest.mark.parametrize(
    ('spec', 'how', 'error', 'cause'),
    [
        ({'weights': 'random'}, {}, SettingsError, 'random weights have nothing to teach'),
        ({'name': 'resnet18'}, {}, WeightsError, 'does not fit the backbone resnet18'),
        ({}, {'neighbours': None}, TrainingError, 'all pairs are of one recording; give others'),
        ({}, {'neighbours': 30.0}, TrainingError, 'one recording of 11 s, and teaching.neighbours'),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(
    tmp_path: Path,
    weights: Path,
    spec: dict[str, str],
    how: dict[str, float],
    error: type[Exception],
    cause: str,
) -> None:
    given = replace(pairs(), recordings=torch.zeros(12, dtype=torch.long)) if how else pairs()
    with pytest.raises(error, match=cause):
        teach(
            SPEC.model_copy(update=spec),
            weights,
            given,
            SHORT.model_copy(update=how),
            CPU,
            tmp_path / 'out',
        )
    assert not (tmp_path / 'out').exists()


def test_one_pair_is_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(TrainingError, match='teaching: 1 pairs of RGB and depth'):
        teach(SPEC, weights, pairs(1), SHORT, CPU, tmp_path)


def test_moments_of_one_recording_are_told_apart_where_they_are_asked_to(
    tmp_path: Path, weights: Path
) -> None:
    one = replace(pairs(), recordings=torch.zeros(12, dtype=torch.long))
    how = SHORT.model_copy(update={'neighbours': 0.5})
    assert teach(SPEC, weights, one, how, CPU, tmp_path).recognised == 1.0
