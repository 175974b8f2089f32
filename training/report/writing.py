# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Findings and pictures become report.html, accuracy.csv and misclassified.csv."""

from __future__ import annotations

import base64
import csv
import io
import struct
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mm_perception.errors import TrainingError
from training.drawing import DPI
from training.durable import replacing
from training.evaluation.evaluate import Scores
from training.evaluation.trust import auroc, share_over
from training.report.contents import Report
from training.report.curves_picture import curves_picture
from training.report.findings import (
    RecordingScore,
    by_class,
    by_recording,
    confusions,
    misclassified,
)
from training.report.pictures import (
    confusion_picture,
    efficiency_picture,
    reliability_picture,
    trust_picture,
)
from training.report.sheets import (
    WORST,
    answer,
    eyes_table,
    mistaken_pairs,
    seconds,
    worst_sheet,
)
from training.report.space_pictures import MOST, by_class_picture, by_mode_picture

_TITLES = {'rgbd': 'RGB and depth', 'rgb': 'RGB alone', 'depth': 'Depth alone'}
_ENCODERS = {'rgb': 'q(a|x)', 'depth': 'q(a|w)'}
_LOST = {'rgb': 'depth', 'depth': 'RGB'}


@dataclass(frozen=True)
class _ModeRow:
    """A mode's row in the first table.

    Attributes:
        mode: Its name.
        title: Its name in words.
        scores: Its scores.
        right: Frames with the right label.
        recordings: Its recordings, the least accurate first.
        encoder: What stands in for the missing modality, where zero fill was measured beside it.
        filled: Scores with zero fill.

    """

    mode: str
    title: str
    scores: Scores
    right: int
    recordings: list[RecordingScore]
    encoder: str | None
    filled: Scores | None

    @property
    def wrong(self) -> int:
        """Frames with a wrong label."""
        return len(self.scores.truth) - self.right

    @property
    def recordings_with_errors(self) -> int:
        """Recordings of which a frame has a wrong label."""
        return sum(each.right < each.frames for each in self.recordings)

    @property
    def most_wrong(self) -> RecordingScore:
        """The recording with the most wrong labels."""
        return max(self.recordings, key=lambda each: each.frames - each.right)

    @property
    def gain(self) -> float:
        """Percentage points by which the encoder is better than zero fill."""
        assert self.filled is not None  # the template's check  # noqa: S101
        return (self.scores.accuracy - self.filled.accuracy) * 100

    @property
    def favourite(self) -> tuple[int, float]:
        """The class that zero fill names most often, and its share of the answers."""
        assert self.filled is not None  # the template's check  # noqa: S101
        answers = np.bincount(self.filled.predicted)
        return int(answers.argmax()), float(answers.max() / answers.sum())


def write_report(folder: Path, report: Report) -> Path:
    """Write a report; what an earlier one left there is replaced, file by file, when all is made.

    Args:
        folder: Where ``report.html``, ``accuracy.csv`` (accuracy by mode and class) and
            ``misclassified.csv`` (every frame with a wrong label) go; made if it is not there.
        report: Its contents.

    Returns:
        The HTML file's path. It holds its pictures, and asks for nothing else.

    Raises:
        TrainingError: The folder cannot be written.

    """
    files = {
        'accuracy.csv': _csv(_accuracy_rows(report)),
        'misclassified.csv': _csv(_misclassified_rows(report)),
        'report.html': _html(report),
    }
    try:
        for name, text in files.items():
            with replacing(folder / name) as partial:
                # A recording's name may be a file name that is not UTF-8.
                partial.write_text(text, 'utf-8', 'backslashreplace', newline='')
    except OSError as error:
        raise TrainingError(
            f'{folder}: the report cannot be written ({error.strerror}); choose another folder'
        ) from error
    return folder / 'report.html'


def _html(report: Report) -> str:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=_percent, points=_points, png=_embedded)
    template = resources.files('training.report').joinpath('template.html.j2')
    rows = _mode_rows(report)
    return environment.from_string(template.read_text(encoding='utf-8')).render(
        report=report,
        rows=rows,
        lost=_LOST,
        frames=len(report.truth),
        frames_by_class=np.bincount(report.truth, minlength=len(report.classes)).tolist(),
        recordings=len(set(report.samples.recordings)),
        recordings_by_class=_recordings_by_class(report),
        recall={row.mode: by_class(row.scores) for row in rows},
        pictures={row.mode: confusion_picture(row.scores, report.classes) for row in rows},
        confusions={row.mode: confusions(row.scores, 5) for row in rows},
        reliability=reliability_picture(report.modes),
        trust=_trust(report),
        efficiency=_efficiency(report),
        sheets={row.mode: worst_sheet(report, row.mode) for row in rows},
        mistaken={row.mode: mistaken_pairs(report, row.mode) for row in rows},
        eyes=eyes_table(report),
        space=_space(report),
        curves=curves_picture(report.history) if report.history else None,
        worst=WORST,
    )


def _mode_rows(report: Report) -> list[_ModeRow]:
    rows = []
    for mode, scores in report.modes.items():
        filled = report.zero_fill(mode)
        rows.append(
            _ModeRow(
                mode=mode,
                title=_TITLES.get(mode, mode),
                scores=scores,
                right=int((scores.predicted == scores.truth).sum()),
                recordings=by_recording(scores, report.samples.recordings),
                encoder=_ENCODERS.get(mode) if filled else None,
                filled=filled,
            )
        )
    return rows


def _recordings_by_class(report: Report) -> list[int]:
    pairs = set(zip(report.truth.tolist(), report.samples.recordings, strict=True))
    counts = Counter(truth for truth, _ in pairs)
    return [counts[i] for i in range(len(report.classes))]


def _efficiency(report: Report) -> dict[str, Any] | None:
    """Give the curve and its figures; None where fewer than two numbers of labels were tried."""
    if len({n for n, _ in report.efficiency}) < 2:  # noqa: PLR2004 - a curve's fewest points
        return None
    points = sorted(report.efficiency, key=lambda point: point[0])
    return {
        'picture': efficiency_picture(points),
        'modes': list(dict.fromkeys(mode for _, accuracy in points for mode in accuracy)),
        'points': points,
    }


def _space(report: Report) -> dict[str, Any] | None:
    """Give the maps of the shared representation; None of a model without one."""
    if report.space is None:
        return None
    return {
        'by_class': by_class_picture(report.space, report.truth, report.classes),
        'by_mode': by_mode_picture(report.space),
        'explained': sum(report.space.explained),
        'drawn': min(report.space.frames, MOST),
    }


def _trust(report: Report) -> dict[str, Any] | None:
    """Give the picture and the figures of what is unknown; None of a model that cannot tell."""
    if report.trust is None:
        return None
    evidence, usual = report.trust.evidence, report.trust.settings
    rows = [
        {
            'mode': mode,
            'known': share_over(evidence.known[mode], threshold),
            'elsewhere': evidence.false_rejection(mode, usual.false_rejection),
            'unknown': share_over(evidence.unknown[mode], threshold),
            'auroc': auroc(evidence.known[mode], evidence.unknown[mode]),
        }
        for mode, threshold in usual.novelty.items()
    ]
    pairs = None
    if usual.contradiction is not None:
        both = (evidence.agreeing, evidence.crossed)
        pairs = [share_over(values, usual.contradiction) for values in both]
    return {
        'picture': trust_picture(report.trust),
        'rows': rows,
        'rate': usual.false_rejection,
        'unknown': len(next(iter(evidence.unknown.values()))),
        'pairs': pairs,
        'alarm': usual.false_alarm,
    }


def _accuracy_rows(report: Report) -> Iterable[list[object]]:
    yield ['mode', 'class', 'frames', 'right', 'accuracy', 'calibration_error']
    for mode, scores in report.scores.items():
        table = scores.confusion
        right = int(table.trace())
        error = f'{scores.calibration_error:.6f}'
        yield [mode, '', len(scores.truth), right, f'{scores.accuracy:.6f}', error]
        for i, share in enumerate(by_class(scores)):
            accuracy = '' if share is None else f'{share:.6f}'
            yield [mode, report.classes[i], int(table[i].sum()), int(table[i, i]), accuracy, '']


def _misclassified_rows(report: Report) -> Iterable[list[object]]:
    yield ['mode', 'recording', 'seconds', 'class', 'predicted', 'confidence']
    for mode, scores in report.scores.items():
        for frame in misclassified(scores).tolist():
            said = answer(report, scores, frame)
            yield [
                mode,
                report.samples.recordings[frame],
                seconds(report.samples.times[frame]),
                report.classes[report.truth[frame]],
                said['predicted'],
                f'{said["confidence"]:.6f}',
            ]


def _csv(rows: Iterable[list[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator='\n').writerows(rows)
    return file.getvalue()


def _percent(share: float | None) -> str:
    return '–' if share is None else f'{share:.1%}'


def _points(difference: float) -> str:
    return f'{difference:+.1f}'.replace('-', '\N{MINUS SIGN}')


def _embedded(picture: bytes, alt: str, width: float | None = None) -> Markup:
    """Put a picture into the page itself, at its size in inches or as wide as is said (px)."""
    pixels = struct.unpack('>II', picture[16:24])  # PNG's first chunk: width and height
    scale = 96 / DPI if width is None else width / pixels[0]
    data = base64.b64encode(picture).decode('ascii')
    return Markup('<img src="data:image/png;base64,{}" alt="{}" width="{}" height="{}">').format(
        data, alt, round(pixels[0] * scale), round(pixels[1] * scale)
    )
