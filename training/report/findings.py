# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What can be read from scores: which frames are wrong, where, and how sure the model was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.evaluate import Scores

BINS = 15  # as many as the expected calibration error's, so that picture and figure agree


@dataclass(frozen=True)
class RecordingScore:
    """A recording's share of the scores.

    Attributes:
        name: The recording.
        frames: Its frames.
        right: How many of them got the right label.

    """

    name: str
    frames: int
    right: int

    @property
    def accuracy(self) -> float:
        """The share of its frames with the right label."""
        return self.right / self.frames


@dataclass(frozen=True)
class Confusion:
    """A pair of classes that was mistaken.

    Attributes:
        truth: The true class.
        predicted: What it was taken for.
        count: How many frames.
        frames: Of how many of the true class.

    """

    truth: int
    predicted: int
    count: int
    frames: int


@dataclass(frozen=True)
class ReliabilityBin:
    """The frames whose confidence lies in one of the equal bins of [0, 1].

    Attributes:
        confidence: Their mean confidence.
        accuracy: The share of them with the right label.
        share: Their share of all frames.

    """

    confidence: float
    accuracy: float
    share: float


@dataclass(frozen=True, eq=False)
class Verdict:
    """The frames on which the three modes agree or differ in one way.

    Attributes:
        name: Which way: ``all right``, ``depth wrong``, ``rgb wrong``, ``rescued``, ``spoiled`` or
            ``all wrong``.
        frames: Their rows, those first on which the mode at fault was surest.

    """

    name: str
    frames: NDArray[np.int64]


def verdicts(modes: Mapping[str, Scores]) -> list[Verdict]:
    """Say of every frame which eye is right: each frame is in exactly one of the groups.

    Args:
        modes: Scores of ``rgbd``, ``rgb`` and ``depth``; of others there is nothing to compare.

    Returns:
        ``all right``; ``depth wrong`` and ``rgb wrong``: that eye alone; ``rescued``: each eye
        alone is wrong, both together are right; ``spoiled``: both together are wrong though an eye
        alone is right; ``all wrong``.

    """
    if set(modes) != {'rgbd', 'rgb', 'depth'}:
        return []
    right = {mode: scores.predicted == scores.truth for mode, scores in modes.items()}
    both, rgb, depth = right['rgbd'], right['rgb'], right['depth']
    groups = {
        'all right': ('rgbd', both & rgb & depth),
        'depth wrong': ('depth', both & rgb & ~depth),
        'rgb wrong': ('rgb', both & ~rgb & depth),
        'rescued': ('rgbd', both & ~rgb & ~depth),
        'spoiled': ('rgbd', ~both & (rgb | depth)),
        'all wrong': ('rgbd', ~both & ~rgb & ~depth),
    }
    return [Verdict(n, _surest(modes[mode], np.flatnonzero(g))) for n, (mode, g) in groups.items()]


def mistaken(scores: Scores, pair: Confusion) -> NDArray[np.int64]:
    """Find the frames of a pair that was mistaken, the most confident first."""
    of_pair = (scores.truth == pair.truth) & (scores.predicted == pair.predicted)
    return _surest(scores, np.flatnonzero(of_pair))


def misclassified(scores: Scores) -> NDArray[np.int64]:
    """Find the frames with a wrong label, the most confident first, then in their own order."""
    return _surest(scores, np.flatnonzero(scores.predicted != scores.truth))


def by_recording(scores: Scores, recordings: Sequence[str]) -> list[RecordingScore]:
    """Count right labels in each recording, the least accurate first."""
    right = scores.predicted == scores.truth
    names, numbers = np.unique(np.asarray(recordings, dtype=object), return_inverse=True)
    found = [
        RecordingScore(str(name), int(inside.sum()), int(right[inside].sum()))
        for i, name in enumerate(names)
        for inside in [numbers == i]
    ]
    return sorted(found, key=lambda each: (each.accuracy, each.name))


def by_class(scores: Scores) -> list[float | None]:
    """Give each class's share of frames with the right label, None where no frame shows it."""
    table = scores.confusion
    frames = table.sum(axis=1)
    return [float(table[i, i] / n) if n else None for i, n in enumerate(frames)]


def confusions(scores: Scores, limit: int) -> list[Confusion]:
    """Give the pairs that were mistaken most often."""
    table = scores.confusion
    frames = table.sum(axis=1)
    np.fill_diagonal(table, 0)
    order = np.argsort(-table, axis=None, kind='stable')[:limit]
    pairs = [divmod(int(i), len(table)) for i in order]
    return [Confusion(t, p, int(table[t, p]), int(frames[t])) for t, p in pairs if table[t, p]]


def reliability(scores: Scores) -> list[ReliabilityBin]:
    """Compare confidence with accuracy in the bins that hold a frame, the least confident first.

    Σ share · |accuracy - confidence| is the expected calibration error (Guo et al. 2017, eq. 3).
    """
    confidence = scores.probabilities.max(axis=1)
    right = scores.predicted == scores.truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        ReliabilityBin(
            float(confidence[inside].mean()), float(right[inside].mean()), float(inside.mean())
        )
        for index in np.unique(bins)
        for inside in [bins == index]
    ]


def _surest(scores: Scores, frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order frames by confidence, the greatest first."""
    confidence = scores.probabilities.max(axis=1)[frames]
    order: NDArray[np.int64] = frames[np.argsort(-confidence, kind='stable')]
    return order
