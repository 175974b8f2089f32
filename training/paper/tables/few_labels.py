# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What few labels are worth with and without unlabelled frames, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.paper.learners import FROZEN, LABELLED_ONLY, LINEAR, SEMI_SUPERVISED
from training.paper.results import Result
from training.paper.tables.comparison import MODES, Mode, Variant
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

HEADS: Mapping[Mode, str] = {'x': 'RGB', 'w': 'depth', 'xw': 'both'}

Runs = Mapping[tuple[int, int], Result]
"""A learner's results by seed and split."""


class _Kind(NamedTuple):
    """What results of one section have in common."""

    data: str
    variant: Variant
    alpha: float | None
    beta: float | None
    a: int | None

    @classmethod
    def of(cls, result: Result) -> _Kind:
        """Give the kind of a result."""
        variant = Variant(result.recipe, result.epochs)
        return cls(result.data, variant, result.alpha, result.beta, result.a)

    @property
    def title(self) -> str:
        """Name the recipe, but for a."""
        return f'{self.variant.label}, α {self.alpha:g}, β {self.beta:g}'

    def has(self, result: Result) -> bool:
        """Whether a result is one of these; by all shipped recipes the linear one is the same."""
        if result.model != LINEAR:
            return _Kind.of(result) == self
        own = 'own' in {self.variant.kind, Variant(result.recipe, result.epochs).kind}
        return result.data == self.data and (not own or result.recipe == self.variant.recipe)


@dataclass(frozen=True)
class Section:
    """What was measured of one data set with one recipe.

    Attributes:
        data: The data set and its backbones.
        recipe: What the recipe is called, with the weights of its objective.
        runs: By labels, the fewest first, and learner.

    """

    data: str
    recipe: str
    runs: Mapping[str, Mapping[str, Runs]]

    def accuracy(self, labels: str, learner: str, mode: Mode) -> Spread | None:
        """Average a learner's accuracy."""
        found = self.runs[labels].get(learner, {})
        return spread({key: value(result, mode) for key, result in found.items()})

    def error(self, labels: str, learner: str, mode: Mode) -> Spread | None:
        """Average a learner's expected calibration error."""
        return errors(self.runs[labels].get(learner, {}), mode)

    def gain(self, labels: str, mode: Mode, split: int | None = None) -> Spread | None:
        """Average what the unlabelled frames gave, run by run, on one split or on all."""
        few, all_ = (self.runs[labels].get(k, {}) for k in (LABELLED_ONLY, SEMI_SUPERVISED))
        return spread(
            {
                key: value(all_[key], mode) - value(few[key], mode)
                for key in sorted(set(few) & set(all_))
                if split in {None, key[1]}
            }
        )

    @property
    def splits(self) -> list[int]:
        """Those that were measured."""
        runs = (keys for learners in self.runs.values() for keys in learners.values())
        return sorted({split for keys in runs for _, split in keys})


def sections(results: Sequence[Result]) -> list[Section]:
    """Sort results of frozen backbones by data set and recipe; of a run done twice the newest.

    Recipes that differ in the dimension of a are kept apart. One without a learner of the labelled
    frames alone, as ``depth_encodings`` leaves, is left out where another with its name has one.
    """
    of_kind = sorted(
        (r for r in results if f', {FROZEN} ' in r.data and r.model in NAMES),
        key=lambda r: r.time,
    )
    made = sorted(
        (r for r in of_kind if r.model != LINEAR),
        key=lambda r: (r.data, Variant(r.recipe, r.epochs).rank),
    )
    found = {kind: _runs(of_kind, kind) for kind in dict.fromkeys(map(_Kind.of, made))}
    kept = [kind for kind in found if _is_compared(found, kind)]
    several = [kind[:-1] for kind in kept]
    return [
        Section(
            kind.data,
            kind.title + (f', a of {kind.a}' if several.count(kind[:-1]) > 1 else ''),
            found[kind],
        )
        for kind in kept
    ]


def print_few_labels(console: Console, results: Sequence[Result]) -> None:
    """Print, by data set and recipe, accuracies and what unlabelled frames gave in each split."""
    found = sections(results)
    if not found:
        console.print('Nothing was measured yet: `train paper few_labels --washington PATH` does.')
    for section in found:
        console.print(Text(f'{section.data}, {section.recipe}: unseen objects', style='bold'))
        console.print(_accuracies(section))
        gains = _gains(section)
        if gains.row_count:
            console.print(Text('What the unlabelled frames gave, by split', style='bold'))
            console.print(gains)
        console.print(
            Text(
                'Accuracy in % and its difference: the mean over splits and seeds ±standard '
                "deviation over seeds of the splits' mean (runs). ECE: expected calibration error "
                'in %, the mean.',
                style='dim',
            )
        )


def _is_compared(found: Mapping[_Kind, Mapping[str, Mapping[str, Runs]]], kind: _Kind) -> bool:
    """Whether a kind has who learned from labels alone, or no other that differs in a has."""
    compared = [
        each
        for each, runs in found.items()
        if each[:-1] == kind[:-1] and any(LABELLED_ONLY in learners for learners in runs.values())
    ]
    return kind in compared or not compared


def _runs(
    results: Iterable[Result], kind: _Kind
) -> dict[str, dict[str, dict[tuple[int, int], Result]]]:
    runs: dict[str, dict[str, dict[tuple[int, int], Result]]] = {}
    for r in results:
        if kind.has(r):
            place = runs.setdefault(r.labels, {}).setdefault(r.model, {})
            place[r.seed, r.split or 0] = r
    return {labels: runs[labels] for labels in sorted(runs, key=fewest_first)}


def _accuracies(section: Section) -> Table:
    table = plain_table('labels', 'learner', *HEADS.values())
    for labels, learners in section.runs.items():
        for learner, name in NAMES.items():
            if learner in learners:
                cells = [
                    with_error(
                        _told(section.accuracy(labels, learner, mode)),
                        section.error(labels, learner, mode),
                    )
                    for mode in MODES
                ]
                table.add_row(labels, name, *cells)
        table.add_section()
    return table


def _gains(section: Section) -> Table:
    table = plain_table('labels', 'split', *HEADS.values())
    for labels in section.runs:
        for split in (*section.splits, None):
            figures = [section.gain(labels, mode, split) for mode in MODES]
            if any(figures):
                title = 'all' if split is None else str(split)
                table.add_row(labels, title, *(_told(f, sign='+') for f in figures))
        table.add_section()
    return table


def _told(figure: Spread | None, sign: str = '') -> str:
    if figure is None:
        return '—'
    plus = sign if figure.mean > 0 else ''
    return f'{plus}{figure} ({figure.runs})'
