# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The forms of a table: the same lines for wide and for narrow screens."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from rich import box
from rich.table import Table
from rich.text import Text

from training.paper.tables.layout import Cell, Line

DASH = '—'
_GAP = 2  # characters between columns
_INDENT = '  '


class Form(Enum):
    """How a table is made narrower, the widest first."""

    WIDE = 'a column for the calibration errors'
    MIDDLE = 'calibration errors under the figures'
    NARROW = 'published, ours and the calibration error one under the other'


def fit(lines: Sequence[Line], width: int, decimals: int) -> Table:
    """Make the widest form of a table that fits.

    Args:
        lines: As `training.paper.tables.layout` gives them.
        width: The screen's, in characters.
        decimals: Of the published figures.

    """
    errors = any(c.measured and c.measured.ece is not None for x in lines for c in x.cells.values())
    heads = list(dict.fromkeys(head for line in lines for head in line.cells))
    for form in Form:
        titles = ['model', *heads, *[f'ECE {"/".join(heads)}'] * (errors and form is Form.WIDE)]
        rows = [_row(form, line, heads, decimals, errors=errors) for line in lines]
        widths = [max(map(_width, column)) for column in zip(map(Text, titles), *rows, strict=True)]
        if sum(widths) + _GAP * (len(widths) - 1) <= width:
            break
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for number, title in enumerate(titles):
        table.add_column(title, width=widths[number] if number else None, no_wrap=number > 0)
    several = len({line.data for line in lines}) > 1
    for line, row, after in zip(lines, rows, [*lines[1:], None], strict=True):
        if several and not any(line.data == each.data for each in lines[: lines.index(line)]):
            table.add_row(Text(line.data.replace('pi', 'π'), style='bold'))
        apart = form is not Form.WIDE and after and not after.continues
        table.add_row(*row, end_section=bool(apart or (after and after.data != line.data)))
    return table


def _width(text: Text) -> int:
    return max((len(each) for each in text.plain.split('\n')), default=0)


def _row(
    form: Form, line: Line, heads: Sequence[str], decimals: int, *, errors: bool
) -> list[Text]:
    cells = [line.cells[head] for head in heads]
    row = [_name(form, line), *(_cell(form, cell, line, decimals) for cell in cells)]
    if errors and form is Form.WIDE:
        found = [cell.measured.ece if cell.measured else None for cell in cells]
        told = [DASH if error is None else f'{error:.1f}' for error in found]
        row.append(Text('/'.join(told) if any(error is not None for error in found) else ''))
    return row


def _name(form: Form, line: Line) -> Text:
    marker = line.marker
    if form is Form.NARROW:
        marker = marker.replace(' (', '\n(')
    name = '' if line.continues else f'{line.name}\n'
    text = Text((name + marker).rstrip().replace('\n', f'\n{_INDENT}'))
    return Text(_INDENT) + text if line.continues else text


def _cell(form: Form, cell: Cell, line: Line, decimals: int) -> Text:
    theirs = _theirs(cell, decimals)
    if not cell.measured and (line.continues or not cell.published or not cell.measurable):
        return Text('' if line.continues else theirs)
    if not any(each.published for each in line.cells.values()):
        theirs = ''  # nothing in the whole line to compare with
    elif form is Form.NARROW:
        theirs = '' if line.continues else f'{theirs}\n'
    else:
        theirs = ' ' * len(theirs + ' | ') if line.continues else f'{theirs} | '
    text = Text(theirs)
    text.append(*_ours(cell, line.margin))
    if form is not Form.WIDE and cell.measured and cell.measured.ece is not None:
        indent = '' if form is Form.NARROW else ' ' * len(theirs)
        text.append(f'\n{indent}ECE {cell.measured.ece:.1f}', style='dim')
    return text


def _theirs(cell: Cell, decimals: int) -> str:
    if cell.published is None:
        return DASH
    deviation = cell.published.deviation
    told = f'{cell.published.mean:.{decimals}f}'
    return told if deviation is None else f'{told} ±{deviation:.{decimals}f}'


def _ours(cell: Cell, margin: float) -> tuple[str, str]:
    """Write our side, and choose its style: by colour and, for those who see none, an arrow."""
    measured = cell.measured
    if measured is None:
        return DASH, ''
    deviation = '' if measured.deviation is None else f' ±{measured.deviation:.1f}'
    told = f'{measured.mean:.1f}{deviation} ({measured.runs})'
    if cell.published is None:
        return told, ''
    reached = measured.mean >= cell.published.mean - margin
    return (told, 'green') if reached else (f'{told} ↓', 'red')
