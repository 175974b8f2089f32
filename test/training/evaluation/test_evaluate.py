# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from fits import CPU, data, recipe

from training.evaluation.evaluate import Scores, evaluate
from training.fitting.climb import Run
from training.fitting.fit import fit

SCORES = Scores(
    np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.05, 0.95]])
)


def test_accuracy_and_confusion_by_hand() -> None:
    assert SCORES.accuracy == 0.75
    assert SCORES.confusion.tolist() == [[1, 1], [0, 2]]


def test_a_class_is_lost_when_frames_show_it_and_none_is_recognised() -> None:
    assert SCORES.lost == []
    never = Scores(np.array([0, 0, 2]), np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.6, 0.4, 0]]))
    assert never.lost == [2]  # class 1 is shown by no frame


def test_calibration_error_by_hand() -> None:
    # One frame in each of four bins: |1 - .9|, |0 - .6|, |1 - .7|, |1 - .95|, a quarter each.
    assert SCORES.calibration_error == pytest.approx((0.1 + 0.6 + 0.3 + 0.05) / 4)


def test_every_mode_is_scored_and_zero_fill_beside() -> None:
    given = data(count=120, labelled=120)
    head = fit(given, recipe(epochs=30, learning_rate=3e-3), Run(CPU))
    scores = evaluate(head, given.features, given.labels, CPU)
    assert list(scores) == ['rgbd', 'rgb', 'depth', 'rgb, zero fill', 'depth, zero fill']
    alone = head({'rgb': given.features['rgb']}).probabilities
    np.testing.assert_allclose(scores['rgb'].probabilities, alone.numpy(), atol=1e-6)
    filled = head({'rgb': given.features['rgb'], 'depth': torch.zeros(120, 12)}).probabilities
    # Zero features are zeros in the model only where the scaling has no offset, as here.
    np.testing.assert_allclose(scores['rgb, zero fill'].probabilities, filled.numpy(), atol=1e-6)
    for each in scores.values():
        np.testing.assert_allclose(each.probabilities.sum(1), 1, atol=1e-5)
