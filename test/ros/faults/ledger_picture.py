# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of the ledger: every fail-over and recovery, against the time allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ledger import Row

# Colours that the colour-blind can tell apart (Okabe and Ito), and different marks.
_IN_TIME, _LATE, _RECOVERY, _ALLOWED = '#0072B2', '#D55E00', '#009E73', '#BBBBBB'


def draw(rows: Sequence[Row], path: Path, title: str) -> None:
    """Write the picture; rows without a fail-over and a recovery are left out."""
    shown = [row for row in rows if row.fail_over_ms or row.recovery_ms][::-1]
    figure = Figure(figsize=(11, 1.8 + 0.26 * len(shown)), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, row in enumerate(shown):
        if row.allowed_ms is not None:
            axes.barh(place, row.allowed_ms, height=0.7, color='#EEEEEE')
            axes.vlines(row.allowed_ms, place - 0.35, place + 0.35, color=_ALLOWED, lw=2)
        _dots(axes, row.recovery_ms, place, _RECOVERY, '|')
        allowed = row.allowed_ms or float('inf')
        _dots(axes, [t for t in row.fail_over_ms if t <= allowed], place, _IN_TIME, 'o')
        _dots(axes, [t for t in row.fail_over_ms if t > allowed], place, _LATE, 'o')
    late = any(t > (row.allowed_ms or t) for row in shown for t in row.fail_over_ms)
    _legend(axes, late=late)
    figure.legend(loc='outside lower right', ncols=4, fontsize=8, frameon=False)
    axes.set_yticks(range(len(shown)), [f'{row.group}: {row.fault}' for row in shown], size=8)
    axes.set_ylim(-0.6, len(shown) - 0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel('ms')
    axes.set_title(title.replace('; ', '\n', 1), loc='left', size=9)
    axes.spines[['top', 'right', 'left']].set_visible(False)
    axes.tick_params(axis='y', length=0)
    figure.savefig(path, dpi=110)


def _dots(axes: object, times: Sequence[float], place: int, colour: str, mark: str) -> None:
    axes.scatter(times, [place] * len(times), color=colour, marker=mark, s=34, zorder=3)  # type: ignore[attr-defined]


def _legend(axes: object, *, late: bool) -> None:
    entries = [
        ('fail-over', _IN_TIME, 'o'),
        ('recovery', _RECOVERY, '|'),
        ('allowed', _ALLOWED, '_'),
    ]
    if late:  # by no more than the jitter, or the test has failed
        entries.insert(1, ('later than allowed', _LATE, 'o'))
    for name, colour, mark in entries:
        axes.scatter([], [], color=colour, marker=mark, s=34, label=name)  # type: ignore[attr-defined]
