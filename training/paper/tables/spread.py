# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of several seeds and splits, as the tables of our own questions show them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from training.paper.learners import LABELLED_ONLY, LINEAR, SEMI_SUPERVISED
from training.paper.results import Result
from training.paper.tables.comparison import Mode

NAMES = {
    LINEAR: 'linear classifier',
    LABELLED_ONLY: 'kl, labelled only',
    SEMI_SUPERVISED: 'SS-HMVAE-kl',
}
"""What the learners are called, in the order of the tables."""


@dataclass(frozen=True)
class Spread:
    """A figure in per cent: the mean over seeds, each of which is a mean over splits.

    Attributes:
        mean: Of all.
        deviation: The sample's standard deviation over seeds; None for one seed.
        runs: Seeds times splits.

    """

    mean: float
    deviation: float | None
    runs: int

    def __str__(self) -> str:
        """Write it as the other tables do."""
        deviation = '' if self.deviation is None else f' ±{self.deviation:.1f}'
        return f'{self.mean:.1f}{deviation}'


def value(result: Result, mode: Mode) -> float:
    """Give an accuracy, which every result of this kind has in every mode."""
    found: float = getattr(result, mode)
    return found


def spread(values: Mapping[tuple[int, int], float]) -> Spread | None:
    """Average over splits, then over seeds; keys are (seed, split)."""
    if not values:
        return None
    by_seed = [
        statistics.fmean(v for (seed, _), v in values.items() if seed == each)
        for each in sorted({seed for seed, _ in values})
    ]
    deviation = statistics.stdev(by_seed) if len(by_seed) > 1 else None
    return Spread(statistics.fmean(by_seed), deviation, len(values))


def errors(results: Mapping[tuple[int, int], Result], mode: Mode) -> Spread | None:
    """Average the expected calibration errors, where they were measured."""
    found = {key: getattr(result, f'ece_{mode}') for key, result in results.items()}
    return spread({key: error for key, error in found.items() if error is not None})


def with_error(told: str, error: Spread | None) -> Text:
    """Put the calibration error under a figure."""
    text = Text(told)
    return text.append(f'\nECE {error.mean:.1f}', style='dim') if error else text


def fewest_first(labels: str) -> tuple[bool, float]:
    """Sort names of labels: ``2 a class`` before ``5%``."""
    return labels.endswith('%'), float(labels.rstrip('%').split()[0])


def plain_table(*titles: str) -> Table:
    """Begin a table that nothing frames."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title, no_wrap=True)
    return table
