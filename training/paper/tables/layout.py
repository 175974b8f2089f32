# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A table's lines: the published ones in the paper's order, and what was measured beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from training.paper.published import FLICKR, TABLES, Entry, Figure
from training.paper.results import Result
from training.paper.tables.comparison import (
    MODES,
    Measured,
    Mode,
    Variant,
    measure,
    own_entries,
    unpublished_entries,
)

MARGIN = 0.5
"""How far below the paper's figure, in per cent, ours still counts as reaching it."""

HEADS: dict[Mode, str] = {'x': 'x', 'w': 'w', 'xw': 'x+w'}
"""What the columns of the three classifiers are called."""


@dataclass(frozen=True)
class Cell:
    """A published figure and ours.

    Attributes:
        published: The paper's; None where it has none.
        measured: Ours; None where there is none yet.
        measurable: Whether the model is one of ours.

    """

    published: Figure | None
    measured: Measured | None
    measurable: bool


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        data: The data set, under whose heading it stands.
        name: The model.
        marker: The recipe, where it is not the full one.
        cells: By the head of their column.
        variant: How it was trained; None where nothing was measured.
        continues: Whether the line above has the same published figures.
        margin: How far below them ours may be.

    """

    data: str
    name: str
    marker: str
    cells: Mapping[str, Cell]
    variant: Variant | None
    continues: bool = False
    margin: float = MARGIN


def lines_of(number: str, results: Sequence[Result]) -> list[Line]:
    """Lay out a table: by data set, the published lines, then other recipes' and models'."""
    entries = TABLES[number].entries
    if number in _COLUMNS:
        return _lines(entries, results, _COLUMNS[number])
    own: dict[str, list[Result]] = {}
    for result in results:
        if result.recipe.startswith(('ours', 'own')):
            own.setdefault(result.recipe, []).append(result)
        elif result.data == FLICKR and result.model not in {entry.model for entry in entries}:
            own.setdefault('ours', []).append(result)
    theirs = [r for r in results if not r.recipe.startswith(('ours', 'own'))]
    lines = _lines(entries, theirs, _by_mode)
    for name, those in own.items():
        lines += _own_lines(name, those, entries)
    sections = dict.fromkeys(entry.data for entry in entries)
    return [line for data in sections for line in lines if line.data == data]


def _own_lines(recipe: str, results: Sequence[Result], entries: Sequence[Entry]) -> list[Line]:
    return [
        replace(line, name=f'{line.name}, {recipe}', marker=line.marker.removeprefix(f'{recipe} '))
        for line in _lines(own_entries(results, entries), results, _by_mode, margin=0.0)
    ]


def other_lines(data: str, results: Sequence[Result]) -> list[Line]:
    """Lay out the results on a data set of no paper, with the columns of table 5."""
    return _lines(unpublished_entries(results, data), results, _by_mode)


def missing_figures(number: str, results: Sequence[Result]) -> tuple[int, int]:
    """Count a table's figures that the full recipe has not measured, and all that it can."""
    full = [result for result in results if result.recipe == 'paper']
    cells = [
        cell
        for line in _lines(TABLES[number].entries, full, _COLUMNS.get(number, _by_mode))
        for cell in line.cells.values()
        if cell.published and cell.measurable
    ]
    return sum(cell.measured is None for cell in cells), len(cells)


def _by_mode(_: Entry) -> dict[str, Mode]:
    return {HEADS[mode]: mode for mode in MODES}


_COLUMNS: dict[str, Callable[[Entry], dict[str, Mode]]] = {
    'table1': lambda entry: {entry.labels: 'xw'},
    'table2': lambda entry: {entry.labels: 'xw'},
    'table3': lambda entry: {str(entry.a): 'xw'},
}
"""Where a figure stands; in the other tables a line is an entry and a column a mode."""


def _lines(
    entries: Iterable[Entry],
    results: Sequence[Result],
    columns: Callable[[Entry], Mapping[str, Mode]],
    margin: float = MARGIN,
) -> list[Line]:
    rows: dict[tuple[str, str], dict[str, tuple[Entry, Mode]]] = {}
    for entry in entries:
        places = {head: (entry, mode) for head, mode in columns(entry).items()}
        rows.setdefault((entry.data, entry.name), {}).update(places)
    return [
        line
        for (data, name), places in rows.items()
        for line in _variants(data, name, places, results, margin)
    ]


def _variants(
    data: str,
    name: str,
    places: Mapping[str, tuple[Entry, Mode]],
    results: Sequence[Result],
    margin: float,
) -> list[Line]:
    """Give one line a variant, the nearest to the full recipe first; one line where is none."""
    found = {head: measure(results, entry, mode) for head, (entry, mode) in places.items()}
    variants = sorted({v for each in found.values() for v in each}, key=lambda v: v.rank)
    lines: list[Line] = []
    for variant in variants or (None,):
        cells = {
            head: Cell(
                getattr(entry, mode),
                found[head].get(variant) if variant else None,
                bool(entry.model),
            )
            for head, (entry, mode) in places.items()
        }
        marker = variant.label if variant else ''
        lines.append(Line(data, name, marker, cells, variant, bool(lines), margin))
    return lines
