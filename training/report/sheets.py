# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames to look at: wrong and sure of it, mistaken for something else, seen by one eye only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from training.evaluation.evaluate import Scores
from training.report.contents import Report
from training.report.findings import Verdict, confusions, misclassified, mistaken, verdicts
from training.report.pictures import THUMBNAIL, thumbnail_picture

WORST = 8
"""How many misclassified frames the sheet shows of a mode; misclassified.csv has them all."""

PAIRS, EXAMPLES = 3, 3
"""How many mistaken pairs of classes are shown of a mode, and frames of each."""

_SMALL = 56  # pixels
_TELLING = 4  # frames of each way in which the eyes differ
_WAYS = {
    'all right': ('All right', 'either eye would do'),
    'depth wrong': ('Only depth wrong', 'lost when RGB is'),
    'rgb wrong': ('Only RGB wrong', 'lost when depth is'),
    'rescued': ('Each eye alone wrong, both together right', 'what fusion gains'),
    'spoiled': ('Both together wrong, an eye alone right', 'what fusion costs'),
    'all wrong': ('All wrong', 'labels, views or features are missing'),
}
"""Each way's title, and what it means."""


def worst_sheet(report: Report, mode: str) -> list[dict[str, Any]]:
    """Gather the most confident wrong frames of a mode, and what the other modes said of them."""
    scores = report.scores[mode]
    others = {name: each for name, each in report.modes.items() if name != mode}
    return [
        {**_card(report, others, frame), **answer(report, scores, frame)}
        for frame in misclassified(scores)[:WORST].tolist()
    ]


def eyes_table(report: Report) -> list[dict[str, Any]]:
    """Count the ways in which the eyes differ, and gather frames of each but the usual one."""
    return [_way(report, verdict) for verdict in verdicts(report.modes)]


def mistaken_pairs(report: Report, mode: str) -> list[dict[str, Any]]:
    """Gather frames of the pairs of classes that a mode mistakes most often."""
    scores = report.scores[mode]
    return [
        {
            'truth': report.classes[pair.truth],
            'predicted': report.classes[pair.predicted],
            'count': pair.count,
            'frames': pair.frames,
            'images': [
                _images(report, frame, _SMALL)
                for frame in _varied(report, mistaken(scores, pair).tolist(), EXAMPLES)
            ],
        }
        for pair in confusions(scores, PAIRS)
    ]


def answer(report: Report, scores: Scores, frame: int) -> dict[str, Any]:
    """Give what was said of a frame, how sure that was, and whether it is right."""
    predicted = int(scores.predicted[frame])
    return {
        'predicted': report.classes[predicted],
        'confidence': float(scores.probabilities[frame, predicted]),
        'right': predicted == int(report.truth[frame]),
    }


def seconds(time: float) -> str:
    """Write a time; nothing where it is unknown."""
    return f'{time:.2f}' if math.isfinite(time) else ''


def _way(report: Report, verdict: Verdict) -> dict[str, Any]:
    title, meaning = _WAYS[verdict.name]
    usual = verdict.name in {'all right', 'all wrong'}  # the worst of the latter are shown anyway
    shown = [] if usual else _varied(report, verdict.frames.tolist(), _TELLING)
    return {
        'name': verdict.name.replace(' ', '-'),
        'title': title,
        'meaning': meaning,
        'count': len(verdict.frames),
        'share': len(verdict.frames) / len(report.truth),
        'cards': [_card(report, report.modes, frame) for frame in shown],
    }


def _varied(report: Report, frames: list[int], most: int) -> list[int]:
    """Choose frames: the first of each recording before the next ones, which resemble them."""
    met: Counter[str] = Counter()
    rounds: list[tuple[int, int, int]] = []
    for frame in frames:
        name = report.samples.recordings[frame]
        rounds.append((met[name], len(rounds), frame))
        met[name] += 1
    return [frame for *_, frame in sorted(rounds)[:most]]


def _card(report: Report, modes: Mapping[str, Scores], frame: int) -> dict[str, Any]:
    return {
        'images': _images(report, frame),
        'truth': report.classes[report.truth[frame]],
        'others': [{'mode': m, **answer(report, scores, frame)} for m, scores in modes.items()],
        'recording': report.samples.recordings[frame],
        'time': seconds(report.samples.times[frame]),
    }


def _images(report: Report, frame: int, most: int = THUMBNAIL) -> dict[str, bytes]:
    """Draw what the networks were given, RGB on the left, in whatever order it was kept."""
    images = report.samples.thumbnails
    return {n: thumbnail_picture(images[n][frame], most) for n in sorted(images, reverse=True)}
