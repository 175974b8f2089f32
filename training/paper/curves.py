# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Label efficiency as a picture: accuracy by how many labels there were, a curve a learner."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.drawing import BLUE, DPI, GREY, STYLE, VERMILION, png
from training.paper.learners import LABELLED_ONLY, LINEAR, SEMI_SUPERVISED
from training.paper.results import Result
from training.paper.tables.comparison import Mode
from training.paper.tables.few_labels import HEADS, Section, sections
from training.paper.tables.spread import NAMES

_LOOKS = {LINEAR: (GREY, ':', 's'), LABELLED_ONLY: (VERMILION, '--', '^'),
          SEMI_SUPERVISED: (BLUE, '-', 'o')}  # fmt: skip


def draw_few_labels(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw one picture a data set and recipe, into a folder, and name them."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for section in sections(results):
        words = f'few_labels {section.data} {section.recipe}'
        path = folder / f'{re.sub("[^A-Za-z0-9]+", "_", words).strip("_")}.png'
        path.write_bytes(label_curves(section))
        pictures.append(path)
    return pictures


def label_curves(section: Section) -> bytes:
    """Draw every learner's curve, a panel a mode; a bar is the deviation of seeds."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.0))
        panels = figure.subplots(1, len(HEADS), sharey=True, gridspec_kw={'wspace': 0.08})
        for axes, (mode, title) in zip(panels, HEADS.items(), strict=True):
            _draw(axes, section, mode)
            axes.set_title(title)
        panels[0].set_ylabel('accuracy on unseen objects (%)')
        panels[1].set_xlabel(f'labelled frames ({section.data})')
        panels[-1].legend(loc='center left', bbox_to_anchor=(1.01, 0.5))
        return png(figure, DPI)


def _draw(axes: Axes, section: Section, mode: Mode) -> None:
    ticks = list(section.runs)
    for shift, (learner, (colour, dashes, marker)) in zip(
        (-0.05, 0, 0.05), _LOOKS.items(), strict=True
    ):
        found = [(i, section.accuracy(labels, learner, mode)) for i, labels in enumerate(ticks)]
        points = [(i + shift, figure) for i, figure in found if figure is not None]
        if points:
            axes.errorbar(
                [place for place, _ in points],
                [figure.mean for _, figure in points],
                [figure.deviation or 0 for _, figure in points],
                color=colour,
                linestyle=dashes,
                marker=marker,
                markersize=4,
                capsize=2,
                label=NAMES[learner].replace(', ', ',\n'),
            )
    axes.set_xticks(
        range(len(ticks)), [labels.replace(' a class', '\na class') for labels in ticks]
    )
    axes.grid(axis='y', color='#e4e4e4', linewidth=0.6)
