# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A report's pictures, as PNG files' bytes.

Figures are drawn without pyplot, so without a display and without state that others share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator, PercentFormatter
from numpy.typing import NDArray

from training.drawing import BLUE, DPI, GREY, VERMILION, png
from training.evaluation.evaluate import ZERO_FILL, Scores
from training.evaluation.trust import Findings
from training.report.findings import reliability
from training.report.style import LOOKS, STYLE, short

THUMBNAIL = 80
"""Pixels at the most: what keeps a report under five megabytes whatever was seen."""


def confusion_picture(scores: Scores, classes: Sequence[str]) -> bytes:
    """Draw the confusion matrix: in each row a true class, in per cent of its frames."""
    table = scores.confusion
    frames = table.sum(axis=1)
    shares = table / np.maximum(frames, 1)[:, None]
    cell = float(np.clip(3.7 / len(classes), 0.2, 0.37))  # inches
    side = cell * len(classes)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(side, side))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(_confusion_colours(shares, frames), interpolation='nearest')
        _number_cells(axes, shares, size=min(cell * 72 * 0.42, 9))
        size = min(cell * 72 * 0.62, 9)
        names = [short(name) for name in classes]
        rows = [f'{name}  ({n})' for name, n in zip(names, frames, strict=True)]
        axes.set_yticks(range(len(rows)), rows, fontsize=size)
        axes.set_xticks(range(len(names)), names, fontsize=size, rotation=90)
        axes.set_ylabel('true class (frames)')
        axes.set_xlabel('predicted class')
        axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
        axes.grid(which='minor', color='#e4e4e4', linewidth=0.5)
        axes.tick_params(which='both', length=0)
        axes.spines[:].set_visible(False)
        return png(figure, DPI)


def efficiency_picture(points: Sequence[tuple[int, Mapping[str, float]]]) -> bytes:
    """Draw accuracy over the number of labelled frames, a curve a mode."""
    points = sorted(points, key=lambda point: point[0])
    modes = dict.fromkeys(mode for _, accuracy in points for mode in accuracy)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.6, 3.6))
        axes = figure.add_subplot()
        for mode in modes:
            colour, marker = LOOKS.get(mode.removesuffix(f', {ZERO_FILL}'), (GREY, 'D'))
            filled = mode.endswith(ZERO_FILL)
            curve = [(n, accuracy[mode]) for n, accuracy in points if mode in accuracy]
            axes.plot(
                *zip(*curve, strict=True),
                color=colour,
                marker=marker,
                markersize=5,
                markerfacecolor='white' if filled else colour,
                linestyle=':' if filled else '-',
                linewidth=1.4,
                label=mode,
            )
        axes.set_xscale('log')
        counts = _apart([n for n, _ in points])
        axes.xaxis.set_major_locator(FixedLocator(counts))
        axes.xaxis.set_major_formatter(lambda x, _: f'{x:.0f}')
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel('labelled training frames (logarithmic)')
        axes.set_ylabel('held-out accuracy')
        axes.grid(color='#e4e4e4', linewidth=0.6)
        axes.legend(loc='center left', bbox_to_anchor=(1.01, 0.5))
        return png(figure, DPI)


def reliability_picture(scores: Mapping[str, Scores]) -> bytes:
    """Draw for each mode accuracy over confidence, and how many frames are how confident."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.1 * len(scores), 3.9))
        grid = figure.subplots(
            2,
            len(scores),
            sharex=True,
            sharey='row',
            squeeze=False,
            gridspec_kw={'height_ratios': (3, 1), 'hspace': 0.12, 'wspace': 0.24},
        )
        for (upper, lower), (mode, each) in zip(grid.T, scores.items(), strict=True):
            _draw_reliability(upper, lower, mode, each)
        grid[0, 0].set_ylabel('accuracy')
        grid[1, 0].set_ylabel('frames')
        return png(figure, DPI)


def trust_picture(found: Findings) -> bytes:
    """Draw the share of frames over every threshold: of novelty, and of contradiction.

    Solid what should stay under it, dotted what should be over it.
    """
    evidence, usual = found.evidence, found.settings
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.4, 3.4))
        left, right = figure.subplots(1, 2, sharey=True)
        for mode, threshold in usual.novelty.items():
            colour, _ = LOOKS[mode]
            _draw_shares(left, evidence.known[mode] / threshold, colour, '-', f'{mode}, known')
            _draw_shares(left, evidence.unknown[mode] / threshold, colour, ':', f'{mode}, unknown')
        left.set_title('objects: novelty')
        left.set_ylabel('share of frames that lie higher')
        left.yaxis.set_major_formatter(PercentFormatter(1))
        right.set_title('pairs: contradiction')
        if usual.contradiction is not None:
            good, crossed = (v / usual.contradiction for v in (evidence.agreeing, evidence.crossed))
            _draw_shares(right, good, BLUE, '-', 'of one object')
            _draw_shares(right, crossed, BLUE, ':', 'of two')
        for axes in (left, right):
            axes.axvline(1, color=GREY, linewidth=0.8, linestyle='--')
            axes.set_xscale('log')
            low, high = axes.get_xlim()
            subs = (1, 2, 5) if high < 100 * low else (1,)  # else they run into each other
            axes.xaxis.set_major_locator(LogLocator(subs=subs))
            axes.xaxis.set_major_formatter(lambda x, _: f'{x:g}')
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlabel('in multiples of the threshold')
            if axes.get_legend_handles_labels()[1]:
                axes.legend(fontsize=8, loc='upper left', bbox_to_anchor=(1.01, 1))
        figure.tight_layout()
        return png(figure, DPI)


def _draw_shares(axes: Axes, values: NDArray[np.float64], colour: str, line: str, of: str) -> None:
    if len(values):
        ordered = np.sort(np.maximum(values, 1e-3))
        higher = 1 - np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered, higher, color=colour, linestyle=line, linewidth=1.4, label=of)


def thumbnail_picture(image: NDArray[np.uint8], most: int = THUMBNAIL) -> bytes:
    """Encode a thumbnail ([t, t, 3] uint8, R first), made smaller where it is large."""
    scale = most / max(image.shape[:2])
    if scale < 1:
        size = tuple(max(round(n * scale), 1) for n in image.shape[1::-1])
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    _, data = cv2.imencode('.png', image[..., ::-1])
    return data.tobytes()


def _draw_reliability(upper: Axes, lower: Axes, mode: str, scores: Scores) -> None:
    colour, marker = LOOKS.get(mode, (GREY, 'D'))
    bins = reliability(scores)
    confidence = [each.confidence for each in bins]
    accuracy = [each.accuracy for each in bins]
    upper.plot((0, 1), (0, 1), color=GREY, linewidth=0.8, linestyle='--', zorder=1)
    upper.vlines(confidence, confidence, accuracy, color=colour, linewidth=1, alpha=0.6)
    area = [15 + 160 * each.share for each in bins]
    upper.scatter(
        confidence,
        accuracy,
        s=area,
        c=colour,
        marker=marker,
        edgecolors='white',
        zorder=3,
        clip_on=False,
    )
    upper.set_title(f'{mode}: ECE {scores.calibration_error:.3f}')
    upper.set_xlim(0, 1.03)
    upper.set_ylim(0, 1.03)
    upper.yaxis.set_major_formatter(PercentFormatter(1))
    upper.grid(color='#e4e4e4', linewidth=0.6)
    lower.bar(confidence, [each.share for each in bins], width=0.045, color=colour)
    lower.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    lower.xaxis.set_major_formatter(PercentFormatter(1))
    lower.set_xlabel('confidence')


def _confusion_colours(shares: NDArray[np.float64], frames: NDArray[np.int64]) -> NDArray[np.uint8]:
    """[K, K, 3]: right is blue, wrong is vermilion, darker for more; grey without frames."""
    hue = np.broadcast_to(_rgb(VERMILION), (*shares.shape, 3)).copy()
    hue[np.eye(len(shares), dtype=bool)] = _rgb(BLUE)
    colours = 255 - _strength(shares)[..., None] * (255 - hue)
    colours[frames == 0] = 235
    pixels: NDArray[np.uint8] = colours.round().astype(np.uint8)
    return pixels


def _number_cells(axes: Axes, shares: NDArray[np.float64], size: float) -> None:
    """Write per cent into each cell that has some; under a half of one stays a tint."""
    for row, column in np.argwhere(shares >= 0.005):  # noqa: PLR2004 - rounds to 1 %
        share = shares[row, column]
        light = _strength(share) > 0.75  # noqa: PLR2004 - where white reads better than black
        axes.text(
            column,
            row,
            f'{share * 100:.0f}',
            ha='center',
            va='center_baseline',
            fontsize=size,
            color='white' if light else 'black',
            in_layout=False,  # it lies in its cell; measuring thousands of them takes seconds
        )


def _strength(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lift small shares, so that one wrong frame of fifty can be seen."""
    strength: NDArray[np.float64] = np.sqrt(shares)
    return strength


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)


def _apart(counts: Sequence[int]) -> list[int]:
    """Choose the counts whose labels do not run into each other on the logarithmic axis."""
    span = max(counts) / min(counts)
    chosen: list[int] = []
    for n in sorted(set(counts)):
        if not chosen or n / chosen[-1] > span**0.06:
            chosen.append(n)
    return chosen
