# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Depth in which form, by a backbone as it is or one that RGB's taught, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.paper.learners import ENCODINGS, LINEAR, SEMI_SUPERVISED, WAYS
from training.paper.results import Result
from training.paper.tables.comparison import Mode
from training.paper.tables.spread import (
    NAMES,
    Spread,
    errors,
    fewest_first,
    plain_table,
    spread,
    value,
    with_error,
)

_MODES: Mapping[Mode, str] = {'w': 'depth alone', 'xw': 'both'}

Cell = tuple[str, str]
"""An encoding, and what became of the backbone."""


@dataclass(frozen=True)
class Line:
    """What one learner made of every form of depth.

    Attributes:
        data: The data set and its backbone.
        labels: How many there were.
        learner: Its name, with its recipe.
        runs: By encoding and backbone: by seed and split.

    """

    data: str
    labels: str
    learner: str
    runs: Mapping[Cell, Mapping[tuple[int, int], Result]]

    def accuracy(self, cell: Cell, mode: Mode) -> Spread | None:
        """Average over the seeds and splits that every form has that was measured at all."""
        return spread({key: value(result, mode) for key, result in self._common(cell).items()})

    def error(self, cell: Cell, mode: Mode) -> Spread | None:
        """Average the expected calibration error over the same."""
        return errors(self._common(cell), mode)

    def _common(self, cell: Cell) -> dict[tuple[int, int], Result]:
        common = set.intersection(*(set(runs) for runs in self.runs.values()))
        found = self.runs.get(cell, {})
        return {key: found[key] for key in sorted(common & set(found))}


def lines(results: Sequence[Result]) -> list[Line]:
    """Sort results by data, labels and learner; of a run done twice the newest."""
    found: dict[tuple[str, str, str], dict[Cell, dict[tuple[int, int], Result]]] = {}
    for result in sorted(results, key=lambda r: (r.model != LINEAR, r.time)):
        cell = _cell(result.data)
        if cell is not None and result.model in {LINEAR, SEMI_SUPERVISED}:
            key = _of(result.data), result.labels, _learner(result)
            place = found.setdefault(key, {}).setdefault(cell, {})
            place[result.seed, result.split or 0] = result
    kept = {key: cells for key, cells in sorted(found.items(), key=_fewest) if len(cells) > 1}
    names = [(data, labels, _short(learner)) for data, labels, learner in kept]
    return [
        Line(*key, cells) if names.count(name) > 1 else Line(*name, cells)
        for name, (key, cells) in zip(names, kept.items(), strict=True)
    ]


def print_depth_encodings(console: Console, results: Sequence[Result]) -> None:
    """Print, by data set, the accuracy by depth alone and by both."""
    found = lines(results)
    if not found:
        console.print(
            'Nothing was measured yet: `train paper depth_encodings --washington PATH` does.'
        )
        return
    for data in dict.fromkeys(line.data for line in found):
        for mode, name in _MODES.items():
            console.print(Text(f'{data}: unseen objects by {name}', style='bold'))
            console.print(_table([line for line in found if line.data == data], mode))
    console.print(
        Text(
            'Accuracy in %: the mean over splits and seeds ±standard deviation over seeds of the '
            "splits' mean. ECE: expected calibration error in %, the mean.",
            style='dim',
        )
    )


def _table(found: Sequence[Line], mode: Mode) -> Table:
    table = plain_table('labels', 'learner', 'backbone', *ENCODINGS, 'runs')
    for line in found:
        for way in WAYS:
            figures = [line.accuracy((encoding, way), mode) for encoding in ENCODINGS]
            runs = max((figure.runs for figure in figures if figure), default=0)
            if runs:
                cells = [
                    with_error(str(figure or '—'), line.error((encoding, way), mode))
                    for encoding, figure in zip(ENCODINGS, figures, strict=True)
                ]
                table.add_row(line.labels, line.learner, way, *cells, str(runs))
        table.add_section()
    return table


def _cell(data: str) -> Cell | None:
    """Tell by the data's name how depth was given; None where it is not said."""
    _, *parts = data.split(', ')
    for way in WAYS:
        if parts and parts[0].startswith(f'{way} '):
            return (parts[1] if len(parts) > 1 else ENCODINGS[0]), way
    return None


def _of(data: str) -> str:
    """Leave out of the data's name what the table's cells say."""
    name, backbone, *_ = data.split(', ')
    return f'{name}, {backbone.split(" ", 1)[1]}'


def _learner(result: Result) -> str:
    """Name a learner with its recipe; by all shipped ones the linear one is the same."""
    name, recipe = NAMES[result.model], result.recipe
    if result.model == LINEAR:
        return f'{name}, {recipe}' if recipe.startswith('own') else name
    called = name if recipe == 'ours' else f'{name}, {recipe}'
    return f'{called}, a of {result.a}, α {result.alpha:g}, {result.epochs} epochs'


def _short(learner: str) -> str:
    """Leave the recipe out, where there is one only."""
    return learner.split(',', maxsplit=1)[0]


def _fewest(item: tuple[tuple[str, str, str], object]) -> tuple[str, tuple[bool, float], bool]:
    (data, labels, learner), _ = item
    return data, fewest_first(labels), not learner.startswith(NAMES[LINEAR])
