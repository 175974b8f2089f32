# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of simulated scores: seeded, and wrong as often as one asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.evaluation.evaluate import Scores
from training.report import Report, Samples

NAMES = ('mug', 'bowl', '<b>plate</b>', 'bottle & cap', 'can', "ball's", '$5', 'cap', 'box', 'pan')


def softmax_scores(truth: NDArray[np.int64], classes: int, skill: float, seed: int) -> Scores:
    """Noisy logits with the true class lifted by ``skill`` standard deviations."""
    logits = np.random.default_rng(seed).normal(size=(len(truth), classes))
    logits[np.arange(len(truth)), truth] += skill
    exponentials = np.exp(1.7 * logits)
    return Scores(truth, exponentials / exponentials.sum(axis=1, keepdims=True))


def simulated_report(
    frames: int = 200, names: tuple[str, ...] = NAMES, skill: float = 2.5, **changes: Any
) -> Report:
    """Make a report with every section, its thumbnails noise, so that each is its own."""
    rng = np.random.default_rng(7)
    truth = rng.integers(0, len(names), frames)
    skills = {'rgbd': 1, 'rgb': 0.8, 'depth': 0.7, 'rgb, zero fill': 0.2, 'depth, zero fill': 0.1}
    scores = {
        mode: softmax_scores(truth, len(names), skill * factor, seed)
        for seed, (mode, factor) in enumerate(skills.items())
    }
    contents = {
        'title': 'simulated',
        'classes': names,
        'scores': scores,
        'samples': Samples(
            {
                name: rng.integers(0, 256, (frames, 12, 12, 3), np.uint8)
                for name in ('depth', 'rgb')  # as read from a file of features
            },
            tuple(f'recording_{i % 7}' for i in range(frames)),
            tuple(i / 8 for i in range(frames)),
        ),
        'efficiency': [
            (10, {mode: 0.5 * s.accuracy for mode, s in scores.items()}),
            (40, {mode: s.accuracy for mode, s in scores.items()}),
        ],
        'setup': {'device': 'cpu', 'recipe': 'seed: 0\nevery: 3\n'},
        'command': "train fit bags -o 'my model'",
    }
    return Report(**{**contents, **changes})


@pytest.fixture(scope='session')
def make_report() -> Callable[..., Report]:
    return simulated_report


@pytest.fixture(scope='session')
def make_scores() -> Callable[..., Scores]:
    return softmax_scores
