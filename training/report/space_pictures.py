# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of the shared representation: each frame as both eyes see it, and as each alone does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from training.drawing import DPI, GREY, png
from training.evaluation.shared_space import SharedSpace
from training.report.style import COLOURS, LOOKS, MARKERS, STYLE, short

MOST = 900
"""Frames drawn: more would hide one another."""

_SIDE = 4.6  # inches
_ROWS = 18  # of the legend
_NAMED = 15  # classes whose names find room in the picture
_NAMES = {'rgbd': 'both: q(a|x,w)', 'rgb': 'RGB alone: q(a|x)', 'depth': 'depth alone: q(a|w)'}


def by_class_picture(space: SharedSpace, truth: NDArray[np.int64], classes: Sequence[str]) -> bytes:
    """Draw where the frames lie, in colours and marks by their true class."""
    with mpl.rc_context(STYLE):
        figure, axes, chosen = _drawn(space)
        for number in np.unique(truth):
            rows = chosen[truth[chosen] == number]
            colour = COLOURS[number % len(COLOURS)]
            marker = MARKERS[number // len(COLOURS) % len(MARKERS)]
            spots = np.concatenate([points[rows] for points in space.points.values()])
            label = short(classes[number])
            _scatter(axes, spots, colour, marker, label)
        if len(np.unique(truth)) <= _NAMED:
            _name(axes, space.points, truth, classes)
        columns = -(-len(np.unique(truth)) // _ROWS)
        _legend(axes, 'true class', columns)
        return png(figure, DPI)


def by_mode_picture(space: SharedSpace) -> bytes:
    """Draw the same by the eyes that saw the frame."""
    with mpl.rc_context(STYLE):
        figure, axes, chosen = _drawn(space)
        for mode, points in reversed(list(space.points.items())):  # both eyes on top
            colour, marker = LOOKS[mode]
            _scatter(axes, points[chosen], colour, marker, _NAMES[mode])
        _legend(axes, 'seen with', 1, reverse=True)
        return png(figure, DPI)


def _drawn(space: SharedSpace) -> tuple[Figure, Axes, NDArray[np.int64]]:
    """Begin a picture: a frame's three places joined, and which frames there is room for."""
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.permutation(space.frames)[:MOST])
    figure = Figure(figsize=(_SIDE, _SIDE))
    axes = figure.add_subplot()
    together, *alone = [points[chosen] for points in space.points.values()]
    threads = [np.stack([together, each], axis=1) for each in alone]
    axes.add_collection(
        LineCollection(list(np.concatenate(threads)), colors=GREY, linewidths=0.4, alpha=0.35)
    )
    first, second = space.explained
    axes.set_xlabel(f'1st principal component: {first:.0%} of the variance')
    axes.set_ylabel(f'2nd: {second:.0%}')
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect('equal', adjustable='datalim')
    return figure, axes, chosen


def _name(
    axes: Axes,
    points: Mapping[str, NDArray[np.float64]],
    truth: NDArray[np.int64],
    classes: Sequence[str],
) -> None:
    """Write each class's name where it lies, and above the next one where that is taken."""
    together = next(iter(points.values()))
    texts = [
        axes.text(
            *_middle(together[truth == number]),
            short(classes[number]),
            fontsize=8,
            ha='center',
            va='center',
            path_effects=[withStroke(linewidth=2.2, foreground='white')],
            zorder=3,
        )
        for number in np.unique(truth)
    ]
    axes.autoscale_view()
    renderer: Any = FigureCanvasAgg(axes.get_figure(root=True)).get_renderer()  # type: ignore[no-untyped-call]
    placed: list[Bbox] = []
    for text in sorted(texts, key=lambda each: each.get_position()[1]):
        box = text.get_window_extent(renderer)
        start = box.y0
        while any(box.overlaps(other) for other in placed):
            box = box.translated(0, 1)
        placed.append(box)
        x, y = axes.transData.transform(text.get_position())
        x, y = axes.transData.inverted().transform((x, y + box.y0 - start))
        text.set_position((float(x), float(y)))


def _middle(spots: NDArray[np.float64]) -> tuple[float, float]:
    """Give the spot in the middle: between the parts of a class that falls apart there is none."""
    distances = np.linalg.norm(spots - np.median(spots, axis=0), axis=1)
    x, y = spots[distances.argmin()]
    return float(x), float(y)


def _scatter(axes: Axes, spots: NDArray[np.float64], colour: str, marker: str, label: str) -> None:
    axes.scatter(
        spots[:, 0],
        spots[:, 1],
        s=10,
        c=colour,
        marker=marker,
        alpha=0.75,
        linewidths=0.25,
        edgecolors='white',
        label=label,
        zorder=2,
    )


def _legend(axes: Axes, title: str, columns: int, *, reverse: bool = False) -> None:
    axes.legend(
        title=title,
        loc='upper left',
        bbox_to_anchor=(1.01, 1),
        ncols=columns,
        fontsize=8,
        title_fontsize=8,
        alignment='left',
        handletextpad=0.2,
        columnspacing=0.8,
        markerscale=1.5,
        reverse=reverse,
    )
