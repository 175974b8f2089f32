# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which results belong beside which published figure, and what they are in the mean."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from training.paper.published import FLICKR, Entry, Figure
from training.paper.results import RecipeName, Result

Mode = Literal['x', 'w', 'xw']
MODES: tuple[Mode, ...] = ('x', 'w', 'xw')
NAMES = {
    'm2': 'M2',
    'sdgm': 'SDGM',
    'ss_mvae': 'SS-MVAE',
    'ss_hmvae': 'SS-HMVAE',
    'ss_hmvae_kl': 'SS-HMVAE-kl',
    'ae': 'AE',
    'vae': 'VAE',
    'mae': 'MAE',
    'mvae': 'MVAE',
    'jmvae_kl': 'JMVAE-kl',
}
"""The models by their settings' names, as the papers write them."""

_BEST_FIRST = ('paper', 'ours', 'own', 'longer', 'shortened', 'quick')


@dataclass(frozen=True)
class Variant:
    """How results were made: only those of one variant have a common mean."""

    recipe: RecipeName
    epochs: int

    @property
    def label(self) -> str:
        """What marks it in a table; empty for the full recipe."""
        return '' if self.recipe == 'paper' else f'{self.recipe} ({self.epochs} epochs)'

    @property
    def rank(self) -> tuple[int, str, int]:
        """Sorts the full recipe first, then by how near to it."""
        return _BEST_FIRST.index(self.kind), self.recipe, -self.epochs

    @property
    def kind(self) -> str:
        """The recipe, whichever of a user's own it is."""
        return self.recipe.partition('-')[0]


@dataclass(frozen=True)
class Measured:
    """Our side of a cell, in per cent.

    Attributes:
        mean: Over the runs.
        deviation: The sample's standard deviation; None for a single run.
        runs: How many seeds (and splits, where the data has some).
        ece: The mean expected calibration error, where it was measured.

    """

    mean: float
    deviation: float | None
    runs: int
    ece: float | None


def measure(results: Iterable[Result], entry: Entry, mode: Mode) -> dict[Variant, Measured]:
    """Average what was measured of one published figure, by variant."""
    runs: dict[Variant, dict[tuple[int, int | None], Result]] = {}
    for result in sorted(results, key=lambda result: result.time):
        if _belongs(result, entry, mode):
            variant = Variant(result.recipe, result.epochs)
            # The newest run of a seed replaces earlier ones.
            runs.setdefault(variant, {})[result.seed, result.split] = result
    return {variant: _mean(list(found.values()), mode) for variant, found in runs.items()}


def own_entries(results: Sequence[Result], published: Sequence[Entry]) -> list[Entry]:
    """Give a line to each model that was trained, on the data sets of a table.

    Their published figures are the best that the table has in each column.
    """
    places = {(entry.data, entry.labels) for entry in published}
    found = dict.fromkeys(_entry(_name(r), r) for r in results if (r.data, r.labels) in places)
    return [
        replace(
            entry,
            x=_best(published, entry, 'x'),
            w=_best(published, entry, 'w'),
            xw=_best(published, entry, 'xw'),
        )
        for entry in _told_apart(found)
    ]


def unpublished_entries(results: Iterable[Result], data: str) -> list[Entry]:
    """Give a line to each model that was trained on a data set of no paper, in NAMES' order."""
    found = dict.fromkeys(_entry(f'{_name(r)}, {r.labels}', r) for r in results if r.data == data)
    order = list(NAMES)
    return sorted(
        _told_apart(found), key=lambda e: order.index(e.model) if e.model in order else len(order)
    )


def _belongs(result: Result, entry: Entry, mode: Mode) -> bool:
    """Whether a result measured what the figure is of; missing matters where one is missing."""
    return (
        result.data == entry.data
        and result.model == entry.model
        and (result.labels == entry.labels or entry.data == FLICKR)  # its labels are all used
        and (mode == 'xw' or result.missing in {'', entry.missing})
        and (entry.a is None or result.a == entry.a)
        and (entry.beta is None or result.beta == entry.beta)
        and result.alpha in {None, entry.alpha}
        and getattr(result, mode) is not None
    )


def _mean(results: Sequence[Result], mode: Mode) -> Measured:
    figures = [getattr(result, mode) for result in results]
    errors = [e for result in results if (e := getattr(result, f'ece_{mode}')) is not None]
    return Measured(
        mean=statistics.fmean(figures),
        deviation=statistics.stdev(figures) if len(figures) > 1 else None,
        runs=len(figures),
        ece=statistics.fmean(errors) if errors else None,
    )


def _best(published: Iterable[Entry], like: Entry, mode: Mode) -> Figure | None:
    figures: list[Figure] = [
        figure
        for entry in published
        if (entry.data, entry.labels) == (like.data, like.labels)
        if (figure := getattr(entry, mode)) is not None
    ]
    return max(figures, key=lambda figure: figure.mean, default=None)


def _entry(name: str, r: Result) -> Entry:
    """Give the line that a result belongs to, without published figures."""
    alpha = 1.0 if r.alpha is None else r.alpha
    return Entry(name, r.data, r.labels, r.model, r.missing, r.a, r.beta, alpha=alpha)


def _name(result: Result) -> str:
    name = NAMES.get(result.model, result.model)
    return f'{name} (iterative)' if result.missing == 'iterative' else name


def _told_apart(entries: Iterable[Entry]) -> list[Entry]:
    """Add the settings to the names of lines that would be called the same."""
    entries = list(entries)
    names = [(entry.data, entry.name) for entry in entries]
    return [
        replace(entry, name=f'{entry.name}{_settings(entry)}') if names.count(name) > 1 else entry
        for entry, name in zip(entries, names, strict=True)
    ]


def _settings(entry: Entry) -> str:
    alpha = None if entry.alpha == 1 else entry.alpha
    parts = {'a of': entry.a, 'α =': alpha, 'β =': entry.beta}
    return ''.join(f', {name} {value:g}' for name, value in parts.items() if value is not None)
