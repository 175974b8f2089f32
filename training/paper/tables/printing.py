# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The papers' tables on the screen, with what was measured here in the same cells."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from mm_perception.errors import SettingsError
from training.paper.learners import WAYS
from training.paper.published import TABLES
from training.paper.results import Result
from training.paper.tables.forms import fit
from training.paper.tables.layout import MARGIN, Line, lines_of, missing_figures, other_lines

_UNITS = {'accuracy': 'accuracy in %', 'lrap': 'label-ranking average precision in %'}
_RECIPES = {
    'paper': "Unmarked: the paper's full recipe.",
    'ours': 'Ours: our own, better recipe.',
    'own': "Own: the file of --recipe, and its settings' fingerprint.",
    'shortened': "Shortened: the paper's recipe with fewer epochs, or another backbone.",
    'longer': "Longer: the paper's recipe with more epochs.",
    'quick': 'Quick: few epochs, mostly of smaller networks; not the level, nor always the order.',
}
_OWN = (
    'A line of ours stands beside the best figure that is published in each column; green: at '
    'least that.'
)
_FINE = {'table1', 'table2', 'table3', 'table4'}  # printed there with two decimals
_PUBLISHED = {entry.data for table in TABLES.values() for entry in table.entries}
_NONE = 'Nothing was measured yet.'


def print_table(console: Console, number: str, results: Sequence[Result]) -> None:
    """Print a table of the papers, with the means of the results in its cells.

    Args:
        console: Where to; its width decides the form.
        number: ``table1`` to ``table6``, or ``flickr``.
        results: All there are, of this table or others.

    Raises:
        SettingsError: There is no such table.

    """
    if number not in TABLES:
        raise SettingsError(f'{number}: no such table; there are {", ".join(TABLES)}')
    published = TABLES[number]
    lines = lines_of(number, results)
    name, year = ('MIR Flickr', 2016) if number == 'flickr' else (f'Table {number[-1]}', 2018)
    _print(
        console,
        f'{name} of Suzuki & Matsuo {year}: {published.title}',
        lines,
        2 if number in _FINE else 1,
    )
    unit = _UNITS[published.metric]
    for note in (_legend(unit, lines), published.note, _to_do(number, results)):
        if note:
            console.print(Text(note, style='dim'))
    if number in {'table5', 'table6'}:
        _print_others(console, number, results)


def _print_others(console: Console, number: str, results: Sequence[Result]) -> None:
    """Print what was measured on parts of the Washington data, with all labels or with few."""
    those = [
        result
        for result in results
        if result.data not in _PUBLISHED
        and (result.labels == 'all') == (number == 'table6')
        and not any(f', {way} ' in result.data for way in WAYS)  # other experiments have these
    ]
    for data in dict.fromkeys(result.data for result in those):
        lines = other_lines(data, those)
        title = f"{data}: another, smaller data set than the paper's; nothing published to compare"
        console.print()
        _print(console, title, lines, decimals=1)
        console.print(Text(_legend(_UNITS['accuracy'], lines, compared=False), style='dim'))


def _print(console: Console, title: str, lines: Sequence[Line], decimals: int) -> None:
    console.print(Text(title, style='bold'))
    console.print(fit(lines, console.width, decimals))
    console.print()


def _legend(unit: str, lines: Sequence[Line], *, compared: bool = True) -> str:
    """Say what the figures are, and what marks a recipe; only of what there is to see."""
    recipes = {line.variant.kind for line in lines if line.variant}
    beside = 'published | ours, ' if compared else ''
    told = [f'{unit[0].upper()}{unit[1:]}: {beside}mean ±standard deviation (runs).']
    if not recipes:
        return f'{told[0]} {_NONE}'
    if compared:
        told.append(f'Green: at least published − {MARGIN:g}; red, ↓: below.')
    cells = [cell for line in lines for cell in line.cells.values()]
    if any(cell.measured and cell.measured.ece is not None for cell in cells):
        told.append('ECE: our expected calibration error in %.')
    told += [text for name, text in _RECIPES.items() if name in recipes]
    if any(line.margin == 0 for line in lines):
        told.append(_OWN)
    return ' '.join(told)


def _to_do(number: str, results: Sequence[Result]) -> str:
    """Say what the full recipe has not measured, and how to have it measured."""
    missing, figures = missing_figures(number, results)
    if not missing:
        return ''
    data = {'table5': 'washington', 'table6': 'washington', 'flickr': 'flickr'}.get(number, 'mnist')
    return (
        f'The full recipe has not measured {missing} of {figures} figures: '
        f'`train paper {number} --{data} PATH` does; with --quick it gives an idea in minutes.'
    )
