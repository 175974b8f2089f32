# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The Washington data set's splits: what trains, what is held out, and which frames are labelled.

Suzuki & Matsuo 2018, §4.1.2: every fifth frame; the data set's ten splits, each of which holds out
one object of every category; of the frames that train, 5 % drawn at random keep their label.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mm_perception.errors import LabelError
from training.paper.published import WASHINGTON
from training.recipe import Recipe
from training.recordings.sources import InstanceSource, washington_sources
from training.recordings.washington import Crop, read_trials, thinned

TRIALS_FILE = 'testinstance_ids.txt'
_CATEGORIES, _INSTANCES = 51, 300  # of the whole data set


@dataclass(frozen=True)
class Split:
    """One trial.

    Attributes:
        sources: All objects.
        held_out: Those that are scored, and of which nothing is learned.
        labelled: The crops whose label is learned from.

    """

    sources: tuple[InstanceSource, ...]
    held_out: frozenset[str]
    labelled: tuple[Crop, ...]

    def label_of(self, *, every: bool = False) -> Callable[[str, int], str | None]:
        """Give the label of an object's moment: of those drawn and held out, or of every one."""
        drawn = {(crop.instance, crop.stamp) for crop in self.labelled}
        categories = {source.name: source.category for source in self.sources}

        def label(name: str, time: int) -> str | None:
            known = every or name in self.held_out or (name, time) in drawn
            return categories[name] if known else None

        return label


@dataclass(frozen=True)
class Objects:
    """The data set, or a part of it, and its splits.

    Attributes:
        name: What results call it: the whole data set by its name, another by its folder's.
        sources: The objects.
        trials: The objects that each trial holds out.
        note: Where the splits come from, for the screen.

    """

    name: str
    sources: tuple[InstanceSource, ...]
    trials: tuple[frozenset[str], ...]
    note: str

    @property
    def classes(self) -> tuple[str, ...]:
        """The categories, sorted."""
        return tuple(sorted({source.category for source in self.sources}))

    def split(self, trial: int, recipe: Recipe, per_class: int | None = None) -> Split:
        """Take a trial, and draw the labels of its training frames.

        Args:
            trial: Which one, from 1.
            recipe: Its seed, the share of the frames that keep their label, and which frames.
            per_class: So many frames of each category keep their label, in place of a share.

        Raises:
            LabelError: There is no such trial.

        """
        if not 1 <= trial <= len(self.trials):
            raise LabelError(f'{self.name}: has trials 1 to {len(self.trials)}, not {trial}')
        held_out = self.trials[trial - 1]
        train = [source for source in self.sources if source.name not in held_out]
        drawn = _drawn(train, recipe) if per_class is None else _of_each(train, recipe, per_class)
        return Split(self.sources, held_out, drawn)


def read_objects(folder: Path) -> Objects:
    """Find the objects and their splits.

    Where ``testinstance_ids.txt`` is neither in the folder nor beside it, trial t holds out the
    t-th object of each category that has several, beginning again where a category has fewer than
    another; the other categories train only.

    Args:
        folder: The data set, laid out as published.

    Raises:
        RecordingError: The folder or the list is not as published.
        LabelError: A list that does not fit the folder, or nothing to hold out.

    """
    sources = tuple(washington_sources(folder))
    beside = (folder / TRIALS_FILE, folder.resolve().parent / TRIALS_FILE)
    file = next((place for place in beside if place.is_file()), None)
    by_category = _by_category(sources)
    if file is None:
        several = {name: found for name, found in by_category.items() if len(found) > 1}
        made, note = _made_trials(folder, several)
        return Objects(folder.resolve().name, sources, made, note)
    official = _official_trials(file, folder, by_category)
    whole = (len(by_category), len(sources)) == (_CATEGORIES, _INSTANCES)
    note = f'{len(official)} splits of {file}'
    return Objects(WASHINGTON if whole else folder.resolve().name, sources, official, note)


def _by_category(sources: Iterable[InstanceSource]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        found[source.category].append(source.name)
    return dict(found)


def _made_trials(
    folder: Path, several: Mapping[str, Sequence[str]]
) -> tuple[tuple[frozenset[str], ...], str]:
    if not several:
        raise LabelError(
            f'{folder}: no category has two objects, one to train with and one to hold out; '
            'unpack more of the data set'
        )
    count = max(map(len, several.values()))
    trials = tuple(
        frozenset(names[trial % len(names)] for names in several.values()) for trial in range(count)
    )
    note = (
        f'no {TRIALS_FILE}: {count} splits made the same way, each of which holds out one object '
        f'of {", ".join(several)}; only those are scored'
    )
    return trials, note


def _official_trials(
    file: Path, folder: Path, by_category: Mapping[str, Sequence[str]]
) -> tuple[frozenset[str], ...]:
    trials = read_trials(file)
    there = {name for found in by_category.values() for name in found}
    if strange := sorted(frozenset().union(*trials) - there):
        others = f' and {len(strange) - 1} others' if strange[1:] else ''
        raise LabelError(
            f'{file}: names {strange[0]}{others}, not in {folder}; unpack what is missing, or '
            'take the list away'
        )
    if unlisted := sorted(set(by_category) - set(map(_category, trials[0]))):
        raise LabelError(f'{file}: holds out no {unlisted[0]}, which is in {folder}; leave it out')
    if single := sorted(name for name, found in by_category.items() if len(found) == 1):
        raise LabelError(
            f'{folder}: has one {single[0]} only, and {file.name} holds it out, so that none is '
            'left to train with; unpack what is missing, or take the list away'
        )
    return tuple(trials)


def _category(instance: str) -> str:
    return instance.rpartition('_')[0]


def _drawn(train: Iterable[InstanceSource], recipe: Recipe) -> tuple[Crop, ...]:
    """Draw crops over all categories, and one of each category that then has none."""
    chooser, share = random.Random(recipe.seed), recipe.labelled_fraction or 1.0
    crops = [crop for source in train for crop in thinned(source.crops, recipe.every)]
    drawn = chooser.sample(crops, max(round(share * len(crops)), 1))
    for category in sorted({crop.category for crop in crops} - {crop.category for crop in drawn}):
        drawn.append(chooser.choice([crop for crop in crops if crop.category == category]))
    return tuple(drawn)


def _of_each(train: Iterable[InstanceSource], recipe: Recipe, count: int) -> tuple[Crop, ...]:
    """Draw as many crops of each category, from whichever of its objects; all where it has fewer.

    A smaller count gives a part of what a larger one gives.
    """
    chooser = random.Random(recipe.seed)
    crops: dict[str, list[Crop]] = defaultdict(list)
    for source in train:
        crops[source.category] += thinned(source.crops, recipe.every)
    return tuple(
        crop
        for _, found in sorted(crops.items())
        for crop in chooser.sample(found, len(found))[:count]
    )
