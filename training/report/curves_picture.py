# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How the objective and its terms went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from training.drawing import BLUE, DPI, GREY, png
from training.fitting.climb import Epoch
from training.report.style import STYLE

MEANINGS = {
    'loss': 'what is minimised',
    'L': 'bound of labelled frames',
    'U': 'bound of unlabelled frames',
    'log_q_y': 'log q(y|·) of labels',
    'J_div': 'single eyes to both',
    'J_y': 'learning from itself',
    'sure': 'share it is sure of',
}
_COLUMNS = 3


def curves_picture(history: Sequence[Epoch]) -> bytes:
    """Draw each figure's mean in every epoch, in a panel of its own: their sizes differ."""
    names = list(history[0].losses)
    rows = -(-len(names) // _COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.1 * min(len(names), _COLUMNS), 1.9 * rows))
        panels = figure.subplots(rows, min(len(names), _COLUMNS), sharex=True, squeeze=False)
        for axes in panels.flat[len(names) :]:
            axes.set_visible(False)
        for axes, name in zip(panels.flat, names, strict=False):
            main = name == 'loss'
            axes.plot(
                [each.epoch for each in history],
                [each.losses[name] for each in history],
                color=BLUE if main else GREY,
                linewidth=1.8 if main else 1.3,
                marker='o' if len(history) == 1 else None,
            )
            meaning = MEANINGS.get(name)
            axes.set_title(f'{name}: {meaning}' if meaning else name)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.grid(color='#e4e4e4', linewidth=0.6)
        for axes in panels.flat[max(len(names) - _COLUMNS, 0) : len(names)]:
            axes.set_xlabel('epoch')
            axes.tick_params(labelbottom=True)
        figure.subplots_adjust(hspace=0.55, wspace=0.4)
        return png(figure, DPI)
