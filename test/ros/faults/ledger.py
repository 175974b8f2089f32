# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What became of each fault, as a table and a CSV file."""

from __future__ import annotations

import csv
import itertools
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_GROUPS = (
    *('sensor', 'image', 'stamps', 'transport', 'process', 'lifecycle'),
    *('model', 'parameters', 'device'),
)
_COLUMNS = (
    *('group', 'fault', 'promise', 'labels', 'broken'),
    *('fail_overs', 'fail_over_mean_ms', 'fail_over_worst_ms', 'allowed_ms'),
    *('recoveries', 'recovery_mean_ms', 'recovery_worst_ms', 'jitter_ms'),
)
_CAPTION = (
    'fail-over: from the last good image of the lost sensor to the first label without it, mean / '
    'worst; allowed: two frame periods, 50 ms and one inference; recovery: from the first good '
    'pair to the first label from both, mean / worst; jitter: how long this machine let the node '
    'wait for a processor meanwhile, at worst, which is added to what is allowed; broken: labels '
    'from a bad or a stale image, or in a wrong mode'
)


@dataclass(frozen=True)
class Row:
    """One fault, survived.

    Attributes:
        group: What was broken: ``sensor``, ``image``, ``stamps``, ``transport``, ``model``,
            ``parameters``, ``lifecycle``, ``process``, ``device``.
        fault: What was done, as a reader of the table would say it.
        promise: What the node has to do all the same.
        labels: How many labels were looked at.
        broken: How many of them broke the promise: wrong mode, stale or bad image. To be 0.
        fail_over_ms: From the last good image of each loss to the first label without it.
        allowed_ms: How long that may take: two frame periods, 50 ms and one inference.
        recovery_ms: From the first good pair after each loss to the first label from both.
        jitter_ms: What the machine itself added to a fail-over at worst, measured meanwhile.

    """

    group: str
    fault: str
    promise: str
    labels: int
    broken: int = 0
    fail_over_ms: tuple[float, ...] = ()
    allowed_ms: float | None = None
    recovery_ms: tuple[float, ...] = ()
    jitter_ms: float | None = None


class Ledger:
    """The rows of a session, in the order of their groups."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Take a row; before the test asserts anything, so that a broken promise is seen too."""
        self._rows.append(row)

    def replace(self, row: Row) -> None:
        """Take a row in place of that of an earlier attempt."""
        same = [old for old in self._rows if (old.group, old.fault) == (row.group, row.fault)]
        self._rows = [old for old in self._rows if old not in same] + [row]

    @property
    def rows(self) -> list[Row]:
        return sorted(self._rows, key=_rank)

    def summary(self, form: str) -> str:
        """Say it in one line; ``form`` is ``short`` or ``long``."""
        rows = self._rows
        labels, broken = sum(row.labels for row in rows), sum(row.broken for row in rows)
        return (
            f'{form} form: {len(rows)} faults, {labels:,} labels, {broken} of them broke a '
            f'promise; fail-over {mean_and_worst(self._all("fail_over_ms"))} ms, '
            f'recovery {mean_and_worst(self._all("recovery_ms"))} ms (mean / worst)'
        )

    def table(self, form: str) -> Table:
        """Lay the rows out."""
        table = Table(title=f'Faults, {self.summary(form)}', title_justify='left', caption=_CAPTION)
        table.caption_justify = 'left'
        for name in ('fault', 'promise'):
            table.add_column(name, overflow='fold')
        for name in ('labels', 'broken', 'fail-over ms', 'allowed', 'recovery ms', 'jitter'):
            table.add_column(name, justify='right')
        for group, rows in itertools.groupby(self.rows, key=lambda row: row.group):
            table.add_section()
            table.add_row(f'[bold]{group}')
            for row in rows:
                table.add_row(*_cells(row))
        return table

    def write(self, path: Path) -> None:
        """Write the CSV file."""
        with path.open('w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(_COLUMNS)
            writer.writerows(_values(row) for row in self.rows)

    def _all(self, name: str) -> list[float]:
        return [time for row in self._rows for time in getattr(row, name)]


def mean_and_worst(times: Sequence[float]) -> str:
    return f'{statistics.fmean(times):.0f} / {max(times):.0f}' if times else '-'


def _rank(row: Row) -> int:
    return _GROUPS.index(row.group) if row.group in _GROUPS else len(_GROUPS)


def _cells(row: Row) -> Iterable[str]:
    return (
        row.fault,
        row.promise,
        f'{row.labels:,}',
        f'[red]{row.broken}' if row.broken else '0',
        mean_and_worst(row.fail_over_ms),
        _number(row.allowed_ms, '-'),
        mean_and_worst(row.recovery_ms),
        _number(row.jitter_ms, '-'),
    )


def _values(row: Row) -> Iterable[object]:
    return (
        *(row.group, row.fault, row.promise, row.labels, row.broken),
        *(*_figures(row.fail_over_ms), _number(row.allowed_ms)),
        *(*_figures(row.recovery_ms), _number(row.jitter_ms)),
    )


def _figures(times: Sequence[float]) -> tuple[int, str, str]:
    if not times:
        return 0, '', ''
    return len(times), f'{statistics.fmean(times):.1f}', f'{max(times):.1f}'


def _number(value: float | None, without: str = '') -> str:
    return without if value is None else f'{value:.0f}'
