# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a session says of its scores."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from training.evaluation.evaluate import Scores
from training.summary import tell_lost

TRUTH = np.array([0, 1, 1])
GOOD = Scores(TRUTH, np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
WITHOUT_MUG = Scores(TRUTH, np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4]]))


def told(scores: dict[str, Scores]) -> str:
    console = Console(file=io.StringIO())
    tell_lost(scores, ('bowl', 'mug'), console)
    return console.file.getvalue()  # type: ignore[attr-defined]  # it is the one above


def test_a_class_that_a_mode_never_recognises_is_told() -> None:
    assert told({'rgbd': GOOD, 'depth': WITHOUT_MUG}).startswith('never recognised, depth: mug; ')


def test_nothing_is_told_of_classes_that_are_recognised_or_of_zero_fill() -> None:
    assert told({'rgbd': GOOD, 'rgb, zero fill': WITHOUT_MUG}) == ''
