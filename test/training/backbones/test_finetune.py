# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A backbone learns from labelled images, and what it learned is a weights file like any other."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from squeezenet import write_weights

from mm_perception.errors import SettingsError, TrainingError, WeightsError
from mm_perception.features import BackboneSettings, load_backbone, sha256_of
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline, PipelineSettings
from training.backbones.finetune import LabelledImages, fine_tune
from training.backbones.layers import freeze
from training.fitting.climb import Progress, Run
from training.interrupt import StoppedError
from training.recipe import PAPER
from training.recordings.washington import find_crops

SPEC = BackboneSettings(name='squeezenet1_0', weights='file')
SHORT = PAPER.model_copy(update={'epochs': 2, 'batch_size': 4, 'learning_rate': 1e-3})
CPU = Run(torch.device('cpu'))


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp('weights'))


def pictures(count: int = 12, size: int = 40) -> LabelledImages:
    """Lying and standing stripes, of any colour."""
    random = np.random.default_rng(0)
    labels = torch.arange(count) % 2
    images = np.empty((count, size, size, 3), np.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        stripes = (np.arange(size) // 6 % 2)[:, None, None] * random.integers(90, 255, 3)
        image[:] = np.swapaxes(stripes, 0, 1) if label else stripes
    return LabelledImages(images, labels, ('lying', 'standing'))


def test_training_raises_accuracy_and_gives_other_features(tmp_path: Path, weights: Path) -> None:
    steps: list[Progress] = []
    how = SHORT.model_copy(update={'epochs': 8})
    tuned = fine_tune(SPEC, weights, pictures(), how, replace(CPU, report=steps.append), tmp_path)
    first, last = steps[:2], steps[-2:]
    assert (steps[-1].done, steps[-1].total) == (24, 24)
    assert sum(p.terms['cross_entropy'] for p in last) < sum(
        p.terms['cross_entropy'] for p in first
    )
    assert tuned.accuracy == 1.0
    images = torch.from_numpy(pictures().images)
    before = load_backbone(SPEC, weights)(images)
    after = load_backbone(tuned.settings(SPEC), tuned.path)(images)  # its fingerprint is checked
    assert after.min() >= 0
    assert not torch.allclose(before, after, atol=1e-2)


def test_file_is_the_whole_network_with_its_own_fingerprint(tmp_path: Path, weights: Path) -> None:
    tuned = fine_tune(SPEC, weights, pictures(), SHORT, CPU, tmp_path)
    assert tuned.sha256 == sha256_of(tuned.path)
    before, after = load_file(weights), load_file(tuned.path)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith('features.')}
    assert list(tmp_path.iterdir()) == [tuned.path]  # no checkpoint is left behind


def test_same_inputs_give_the_same_file_once(tmp_path: Path, weights: Path) -> None:
    one = fine_tune(SPEC, weights, pictures(), SHORT, CPU, tmp_path / 'one')
    again = fine_tune(SPEC, weights, pictures(), SHORT, CPU, tmp_path / 'again')
    assert (one.sha256, one.path.name, one.reused) == (again.sha256, again.path.name, False)
    kept = fine_tune(SPEC, weights, pictures(), SHORT, CPU, tmp_path / 'one')
    assert (kept.sha256, kept.accuracy, kept.reused) == (one.sha256, one.accuracy, True)
    other = SHORT.model_copy(update={'seed': 1})
    assert fine_tune(SPEC, weights, pictures(), other, CPU, tmp_path / 'one').sha256 != one.sha256
    with pytest.raises(WeightsError, match='not the weights that the bundle was trained with'):
        fine_tune(
            SPEC.model_copy(update={'sha256': '0' * 64}),
            weights,
            pictures(),
            SHORT,
            CPU,
            tmp_path / 'one',
        )
    one.path.write_bytes(one.path.read_bytes()[:1000])  # damaged: made anew
    mended = fine_tune(SPEC, weights, pictures(), SHORT, CPU, tmp_path / 'one')
    assert (mended.sha256, mended.reused) == (one.sha256, False)


def test_stopped_run_goes_on_where_it_was(tmp_path: Path, weights: Path) -> None:
    whole = fine_tune(SPEC, weights, pictures(), SHORT, CPU, tmp_path / 'whole')
    asked = iter([False, False, False, True])
    stopping = replace(CPU, stopping=lambda: next(asked))
    with pytest.raises(StoppedError):
        fine_tune(SPEC, weights, pictures(), SHORT, stopping, tmp_path / 'parts')
    steps: list[Progress] = []
    going_on = replace(CPU, report=steps.append)
    rest = fine_tune(SPEC, weights, pictures(), SHORT, going_on, tmp_path / 'parts')
    assert [step.done for step in steps] == [4, 5, 6]
    assert rest.sha256 == whole.sha256


def test_it_stops_when_other_recordings_are_told_no_better(tmp_path: Path, weights: Path) -> None:
    contrary = replace(pictures(4), labels=1 - pictures(4).labels)  # the more learned, the worse
    steps: list[Progress] = []
    how = SHORT.model_copy(update={'epochs': 20, 'patience': 1})
    run = replace(CPU, report=steps.append)
    tuned = fine_tune(SPEC, weights, pictures(4), how, run, tmp_path, contrary)
    assert steps[-1].done < steps[-1].total == 20
    assert list(tmp_path.iterdir()) == [tuned.path]
    assert fine_tune(SPEC, weights, pictures(4), how, CPU, tmp_path, contrary).reused
    assert not fine_tune(SPEC, weights, pictures(4), SHORT, CPU, tmp_path, pictures(4)).reused


def test_stopped_run_that_waits_for_other_recordings_goes_on_where_it_was(
    tmp_path: Path, weights: Path
) -> None:
    how = SHORT.model_copy(update={'epochs': 4, 'patience': 2})
    given = SPEC, weights, pictures(4), how
    whole = fine_tune(*given, CPU, tmp_path / 'whole', pictures(4))
    asked = iter([False, False, True])
    stopping = replace(CPU, stopping=lambda: next(asked))
    with pytest.raises(StoppedError):
        fine_tune(*given, stopping, tmp_path / 'parts', pictures(4))
    assert fine_tune(*given, CPU, tmp_path / 'parts', pictures(4)).sha256 == whole.sha256


def test_only_the_layers_next_to_the_features_learn(weights: Path) -> None:
    backbone = load_backbone(SPEC, weights)
    layers = [name for name, _ in backbone.network.named_parameters() if name.endswith('weight')]
    for share, count in ((1.0, len(layers)), (0.5, math.ceil(len(layers) / 2)), (1e-9, 1)):
        backbone.requires_grad_(True)
        freeze(backbone, share)
        learning = {n for n, p in backbone.network.named_parameters() if p.requires_grad}
        assert {name for name in learning if name.endswith('weight')} == set(layers[-count:])


def test_bfloat16_teaches_as_well(tmp_path: Path, weights: Path) -> None:
    how = SHORT.model_copy(update={'epochs': 8, 'precision': 'bfloat16'})
    tuned = fine_tune(SPEC, weights, pictures(), how, CPU, tmp_path)
    assert tuned.accuracy == 1.0
    assert {value.dtype for value in load_file(tuned.path).values()} == {torch.float32}


def test_images_are_another_each_time_where_there_are_others(tmp_path: Path, weights: Path) -> None:
    asked: list[int] = []

    def anew(row: int) -> np.ndarray:
        asked.append(row)
        return pictures().images[row]

    given = replace(pictures(), anew=anew)
    fine_tune(SPEC, weights, given, SHORT, CPU, tmp_path / 'paper')
    assert not asked
    how = SHORT.model_copy(update={'augment': True})
    fine_tune(SPEC, weights, given, how, CPU, tmp_path / 'anew')
    assert sorted(asked) == sorted([*range(12)] * 2)


@pytest.mark.parametrize(
    ('spec', 'change', 'error', 'cause'),
    [
        ({'weights': 'random'}, {}, SettingsError, 'random weights are nothing to fine-tune'),
        ({'name': 'resnet18'}, {}, WeightsError, 'does not fit the backbone resnet18'),
        ({'layer': 'nothing'}, {}, SettingsError, "has no layer 'nothing'"),
        ({}, {'labels': torch.zeros(12, dtype=torch.long)}, TrainingError, '12 of 1 class'),
        ({}, {'labels': torch.arange(12)}, TrainingError, 'not all from 0 to 1'),
        ({}, {'labels': torch.arange(3) % 2}, TrainingError, 'with 3 labels'),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    tmp_path: Path,
    weights: Path,
    spec: dict[str, str],
    change: dict[str, torch.Tensor],
    error: type[Exception],
    cause: str,
) -> None:
    given = SPEC.model_copy(update=spec), weights, replace(pictures(), **change)
    with pytest.raises(error, match=cause):
        fine_tune(*given, SHORT, CPU, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f'^{tmp_path / "none.pth"}: no such weights file'):
        fine_tune(SPEC, tmp_path / 'none.pth', pictures(), SHORT, CPU, tmp_path)


def test_real_weights_learn_apples_from_balls_by_depth(shared_data: Path, tmp_path: Path) -> None:
    crops = [
        crop
        for crop in find_crops(shared_data / 'uw_rgbd', every=100)
        if crop.instance in ('apple_1', 'ball_2')
    ]
    settings = PipelineSettings.model_validate(
        {
            'region': {'kind': 'full'},
            'preprocessing': {'size': 80},
            'backbones': {'depth': SPEC},
        }
    )
    file = shared_data / 'weights/squeezenet1_0_imagenet.fp16.safetensors'
    pipeline = Pipeline(settings, dict.fromkeys(settings.modalities, file))
    images = np.stack([pipeline.prepare(crop.observation())[Modality.DEPTH] for crop in crops])
    labels = torch.tensor([int(crop.category == 'ball') for crop in crops])
    how = PAPER.model_copy(update={'epochs': 8, 'batch_size': 8, 'learning_rate': 1e-4})
    accuracies: list[float] = []
    run = replace(CPU, report=lambda p: accuracies.append(float(p.terms['accuracy'])))
    tuned = fine_tune(
        SPEC, file, LabelledImages(images, labels, ('apple', 'ball')), how, run, tmp_path
    )
    assert tuned.accuracy > np.mean(accuracies[:3])
    assert tuned.accuracy >= 0.9
