# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from mm_perception.head import Head
from mm_perception.models import ModelSettings, Widths
from training.evaluation.trust import Evidence, auroc, learn_trust, share_over
from training.features.dataset import Dataset, Rows
from training.fitting.climb import UNLABELLED, Run
from training.fitting.fit import TrainingData, fit
from training.recipe import Optimisation, Rates, Recipe

CPU = torch.device('cpu')
WIDTH = 12
CLASSES = ('bowl', 'cap', 'mug')
RECIPE = Recipe(
    scaling='none',
    model={'widths': Widths(hidden=24, a=6, z=3)},
    optimisation=Optimisation(epochs=40, batch_size=32, learning_rate=3e-3),
)


def frames(kind: int, count: int, seed: int) -> dict[str, torch.Tensor]:
    """Give frames of one kind of object: its own two features of each modality are on."""
    generator = torch.Generator().manual_seed(seed)
    shown = {}
    for offset, name in enumerate(('rgb', 'depth')):
        values = torch.rand(count, WIDTH, generator=generator) * 0.3
        values[:, (2 * kind + offset) % WIDTH] += 2
        values[:, (2 * kind + 1 + offset) % WIDTH] += 2
        shown[name] = values
    return shown


def recording(name: str, kind: int, seed: int, count: int = 30) -> Rows:
    return Rows(name, torch.arange(count), frames(kind, count, seed), {})


def dataset(kinds: dict[str, int], seed: int) -> Dataset:
    rows, labels = [], []
    for number, (name, kind) in enumerate(kinds.items()):
        rows.append(recording(name, kind, seed + number))
        known = CLASSES[kind] if kind < len(CLASSES) else 'teapot'
        labels.append((known,) * 30)
    return Dataset(tuple(rows), tuple(labels))


@pytest.fixture(scope='module')
def trained() -> tuple[Head, TrainingData]:
    data = dataset({f'{i}{k}': k for k in range(3) for i in 'ab'}, 0).training_data(CLASSES)
    labels = data.labels.clone()
    labels[torch.arange(len(labels)) % 5 != 0] = UNLABELLED
    data = TrainingData(data.features, labels, CLASSES)
    return fit(data, RECIPE, Run(CPU)), data


def test_what_was_never_learned_is_told_apart_in_every_mode(
    trained: tuple[Head, TrainingData],
) -> None:
    held_out = dataset({'c0': 0, 'c1': 1, 'c2': 2, 'd0': 0, 'strange': 4}, 100)
    found = learn_trust(*trained, held_out, Rates(), CPU)
    assert found is not None
    assert set(found.settings.novelty) == {'rgbd', 'rgb', 'depth'}
    for mode, known in found.evidence.known.items():
        area = auroc(known, found.evidence.unknown[mode])
        assert area is not None
        assert area > 0.95
    assert len(found.evidence.recordings) == 120
    assert len(found.evidence.unknown['rgb']) == 30


def test_pairs_of_two_objects_disagree_more_than_pairs_of_one(
    trained: tuple[Head, TrainingData],
) -> None:
    found = learn_trust(*trained, dataset({'c0': 0, 'c1': 1, 'c2': 2}, 100), Rates(), CPU)
    assert found is not None
    assert found.settings.contradiction is not None
    noticed = share_over(found.evidence.crossed, found.settings.contradiction)
    assert noticed is not None
    assert noticed > 0.9


def test_frames_without_a_label_are_neither_known_nor_unknown(
    trained: tuple[Head, TrainingData],
) -> None:
    held_out = dataset({'c0': 0, 'c1': 1}, 100)
    silent = Dataset(held_out.rows, (held_out.labels[0], (None,) * 30))
    found = learn_trust(*trained, silent, Rates(), CPU)
    assert found is not None
    assert len(found.evidence.known['rgbd']) == 30
    assert len(found.evidence.unknown['rgbd']) == 0
    assert auroc(found.evidence.known['rgbd'], found.evidence.unknown['rgbd']) is None


def test_model_without_encoders_of_single_modalities_cannot_tell() -> None:
    settings = ModelSettings(
        name='ss_hmvae',
        modalities={'rgb': WIDTH, 'depth': WIDTH},
        classes=3,
        widths=Widths(hidden=4, a=2, z=2),
    )
    held_out = dataset({'c0': 0, 'c1': 1}, 100)
    data = held_out.training_data(CLASSES)
    assert learn_trust(Head(settings), data, held_out, Rates(), CPU) is None


def evidence(known: list[float], recordings: list[str]) -> Evidence:
    distances = {'rgb': np.asarray(known, float)}
    nothing = np.empty(0)
    return Evidence(distances, recordings, {'rgb': nothing}, nothing, nothing)


def test_thresholds_are_exceeded_at_the_rate_asked_for_and_no_more() -> None:
    found = evidence([float(n) for n in range(1, 101)], ['one'] * 100)
    usual = found.thresholds(Rates(false_rejection=0.05))
    assert share_over(found.known['rgb'], usual.novelty['rgb']) == 0.05
    assert usual.contradiction is None


def test_false_rejection_is_measured_on_recordings_that_chose_no_threshold() -> None:
    """One recording looks stranger than the other: its frames are all over that one's threshold."""
    found = evidence([1.0] * 50 + [9.0] * 50, ['calm'] * 50 + ['strange'] * 50)
    assert found.false_rejection('rgb', 0.01) == 0.5
    assert evidence([1.0] * 50, ['calm'] * 50).false_rejection('rgb', 0.01) is None


def test_area_under_the_curve_is_the_chance_that_the_unknown_looks_stranger() -> None:
    assert auroc(np.array([1.0, 2.0]), np.array([3.0])) == 1.0
    assert auroc(np.array([1.0, 2.0]), np.array([0.0])) == 0.0
    assert auroc(np.array([1.0, 3.0]), np.array([2.0])) == 0.5
    assert auroc(np.array([1.0]), np.array([1.0])) == 0.5
    assert auroc(np.empty(0), np.array([1.0])) is None
