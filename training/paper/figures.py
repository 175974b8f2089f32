# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The papers' figures 4, 5 and 6, as PNG files' bytes.

Drawn without pyplot, so without a display and without state that others share. What colour tells,
a line's dashes or a marker's form tells too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mm_perception.errors import TrainingError
from training.drawing import BLUE, DPI, STYLE, VERMILION, png
from training.paper.published import TABLE5, WASHINGTON, Entry
from training.paper.results import Result
from training.paper.tables.comparison import Measured, Mode, Variant, measure

Images = NDArray[np.float32]  # [N, height, width] in [0, 1]

_DASHES = ('--', '-.', ':', (0, (6, 1, 1, 1, 1, 1)))
_TILE = 0.44  # inches of figure 5 to a digit
_NAMES = 1.6  # inches for the rows' names, left of them
_BORDER = 2  # pixels between two digits
_FAINT = 0.35  # of the given half's ink


@dataclass(frozen=True, eq=False)
class Generation:
    """One modality generated from the other, by every method.

    Attributes:
        title: As ``x from w``.
        original: What should have been generated.
        generated: By method, from top to bottom.
        given: The modality that it was generated from.
        side: Where the given half joins the other one; None where it is a picture of its own.

    """

    title: str
    original: Images
    generated: Mapping[str, Images]
    given: Images
    side: Literal['left', 'right'] | None = None


def figure4(curves: Sequence[tuple[float, Sequence[float]]], title: str = '') -> bytes:
    """Draw learning curves: accuracy in % after each epoch, a curve an alpha (eq. 6).

    Args:
        curves: (alpha, accuracy after each epoch), in any order.
        title: What was learned.

    """
    curves = sorted(curves, key=lambda curve: curve[0])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.8))
        axes = figure.add_subplot()
        for i, (alpha, accuracy) in enumerate(curves):
            last = f': {accuracy[-1]:.1f} %' if len(accuracy) else ''
            axes.plot(
                range(1, len(accuracy) + 1),
                accuracy,
                color='black' if alpha == 1 else BLUE if alpha < 1 else VERMILION,
                linestyle='-' if alpha == 1 else _DASHES[i % len(_DASHES)],
                linewidth=1.8 if alpha == 1 else 1.3,  # the paper's choice
                label=f'α = {alpha:g}{last}',
            )
        axes.set_title(title or 'SS-MVAE, nmMNIST(π/4, 0.5), 100 labels')
        axes.set_xlabel('epoch')
        axes.set_ylabel('accuracy given both modalities (%)')
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
        axes.set_ylim(top=100)
        axes.grid(color='#e4e4e4', linewidth=0.6)
        axes.legend(
            title='weight, and the last epoch', loc='center left', bbox_to_anchor=(1.01, 0.5)
        )
        return png(figure, DPI)


def figure5(data: Mapping[str, Sequence[Generation]]) -> bytes:
    """Draw digits that were generated from the other modality, under the original ones.

    Args:
        data: By data set, usually ``x from w`` and ``w from x``.

    """
    columns = max(len(each) for each in data.values())
    with mpl.rc_context(STYLE):
        mosaics = {
            name: [_mosaic(each) for each in generations] for name, generations in data.items()
        }
        heights = [max(len(labels) for _, labels in row) for row in mosaics.values()]
        across = max(len(g.original) for row in data.values() for g in row)
        figure = Figure(
            figsize=(columns * (_TILE * across + _NAMES), _TILE * sum(heights) + 0.5 * len(data))
        )
        grid = figure.subplots(
            len(data),
            columns,
            squeeze=False,
            gridspec_kw={
                'height_ratios': heights,
                'wspace': _NAMES / (_TILE * across),
                'hspace': 0.22,
            },
        )
        for axes in grid.flat:
            axes.set_axis_off()
        for row, (name, generations) in zip(grid, data.items(), strict=True):
            for axes, generation, (picture, labels) in zip(
                row, generations, mosaics[name], strict=False
            ):
                _draw_mosaic(axes, picture, labels)
                axes.set_title(f'{name.replace("pi", "π")}: {generation.title}')
        return png(figure, DPI)


def figure6(results: Sequence[Result], data: str = WASHINGTON) -> bytes:
    """Draw the accuracy in each of the dataset's own splits, with and without the KL terms.

    Args:
        results: All there are; those with 5 % labels and a split are drawn, as means over seeds.
        data: Of which data set.

    Raises:
        TrainingError: No result is of such a split.

    """
    drawn = ('SS-HMVAE', 'SS-HMVAE-kl')
    entries = [replace(entry, data=data) for entry in TABLE5.entries if entry.name in drawn]
    splits = sorted({r.split for r in results if r.data == data and r.split is not None})
    modes: dict[Mode, str] = {'x': 'RGB alone', 'w': 'depth alone'}
    points = {
        (entry.name, mode): _by_split(results, entry, mode, splits)
        for entry in entries
        for mode in modes
    }
    if not any(points.values()):
        raise TrainingError(
            f'figure 6: no results in the splits of {data} yet; `train paper table5` measures them'
        )
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 5.0))
        panels = figure.subplots(2, 1, sharex=True, gridspec_kw={'hspace': 0.22})
        for axes, (mode, title) in zip(panels, modes.items(), strict=True):
            _draw_splits(axes, {name: points[name, mode] for name in drawn})
            axes.set_title(f'{data}, {title}')
        panels[1].set_xlabel("the dataset's own split")
        panels[1].set_xticks(splits)
        panels[0].legend(
            title='mean ±deviation of seeds', loc='center left', bbox_to_anchor=(1.01, 0.5)
        )
        panels[1].set_xlim(splits[0] - 0.5, splits[-1] + 0.5)
        return png(figure, DPI)


def _mosaic(generation: Generation) -> tuple[list[Images], list[str]]:
    """Give the rows of a mosaic as pictures [N, height, width, 3], and their names."""
    rows = {'original': generation.original, **generation.generated}
    if generation.side is None:
        rows = {'given': generation.given, **rows}
        return [_ink(images) for images in rows.values()], list(rows)
    faint = _ink(generation.given * _FAINT, BLUE)
    order = slice(None) if generation.side == 'left' else slice(None, None, -1)
    joined = [np.concatenate([faint, _ink(images)][order], axis=2) for images in rows.values()]
    return joined, list(rows)


def _ink(images: Images, colour: str = '#000000') -> Images:
    """Draw [N, h, w] in [0, 1] as ink on white paper: [N, h, w, 3]."""
    hue = np.array(mpl.colors.to_rgb(colour), dtype=np.float32)
    return (1 - np.clip(images, 0, 1)[..., None] * (1 - hue)).astype(np.float32)


def _draw_mosaic(axes: Axes, rows: Sequence[Images], labels: Sequence[str]) -> None:
    height, width = (side + _BORDER for side in rows[0].shape[1:3])
    picture = np.ones((len(rows) * height, len(rows[0]) * width, 3), dtype=np.float32)
    picture *= 0.86  # the border's grey
    for i, images in enumerate(rows):
        for j, image in enumerate(images):
            top, left = i * height, j * width
            picture[top : top + height - _BORDER, left : left + width - _BORDER] = image
    axes.imshow(picture[:-_BORDER, :-_BORDER], interpolation='nearest')
    for i, label in enumerate(labels):
        axes.text(-4, (i + 0.5) * height, label, ha='right', va='center', fontsize=8)


def _by_split(
    results: Sequence[Result], entry: Entry, mode: Mode, splits: Sequence[int]
) -> dict[int, tuple[Variant, Measured]]:
    """Give each split's mean by the recipe that is nearest to the full one."""
    found = {}
    for split in splits:
        means = measure([result for result in results if result.split == split], entry, mode)
        if means:
            best = min(means, key=lambda variant: variant.rank)
            found[split] = best, means[best]
    return found


def _draw_splits(axes: Axes, lines: Mapping[str, Mapping[int, tuple[Variant, Measured]]]) -> None:
    looks = {'SS-HMVAE': (VERMILION, 's'), 'SS-HMVAE-kl': (BLUE, 'o')}
    for (name, points), shift in zip(lines.items(), (-0.1, 0.1), strict=True):
        labels = [variant.label for variant, _ in points.values()] or ['not measured yet']
        colour, marker = looks[name]
        axes.errorbar(
            [split + shift for split in points],
            [measured.mean for _, measured in points.values()],
            [measured.deviation or 0 for _, measured in points.values()],
            color=colour,
            marker=marker,
            linestyle='none',
            capsize=2,
            label='\n'.join([name, *filter(None, dict.fromkeys(labels))]),
        )
    axes.set_ylabel('accuracy (%)')
    axes.grid(axis='y', color='#e4e4e4', linewidth=0.6)
