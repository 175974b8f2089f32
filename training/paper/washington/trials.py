# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One learner on one split with so many labels, by features that are frozen or taught beforehand.

What our own questions of the Washington data set are made of: ``few_labels`` and
``depth_encodings`` say which trials there are.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mm_perception.errors import SettingsError
from training.evaluation.evaluate import Scores
from training.features.dataset import Dataset
from training.fitting.checkpoint import seconds_taken
from training.fitting.climb import UNLABELLED, batches
from training.fitting.fit import TrainingData, check_labels, fit
from training.paper.learners import LABELLED_ONLY, LINEAR
from training.paper.provenance import provenance
from training.paper.results import Result
from training.paper.washington.experiment import MODES, score
from training.paper.washington.features import Prepared, Setting
from training.paper.washington.linear import linear_scores
from training.paper.washington.splits import Objects, read_objects
from training.recipe import Recipe

_Kind = TypeVar('_Kind')

_EVERY = ('rgb', 'depth')


@dataclass(frozen=True)
class Trial:
    """One thing to learn.

    Attributes:
        learner: One of ``LEARNERS``.
        per_class: Labelled frames of each class; None is the recipe's share of all.
        split: Which objects are held out, from 1.
        seed: Of the labels drawn and of the first weights.

    """

    learner: str
    per_class: int | None
    split: int
    seed: int

    def labels(self, setting: Setting) -> str:
        """Name the labels as results do: ``5%``, ``2 a class``."""
        per_class = self.per_class
        return setting.labels('few') if per_class is None else f'{per_class} a class'


def opened(folder: Path, splits: Sequence[int], setting: Setting) -> tuple[Objects, Sequence[int]]:
    """Find the data set and the splits to run: those, or all where none is named.

    Raises:
        MMPerceptionError: No such data, or no such split; before there are features to wait for.

    """
    provenance()  # the commit of the code that is loaded, whatever is committed while it runs
    objects = read_objects(folder)
    setting.console.print(f'{objects.name}: {len(objects.sources)} objects; {objects.note}')
    chosen = splits or range(1, len(objects.trials) + 1)
    for split in chosen:
        objects.split(split, setting.recipe)
    return objects, chosen


def chosen_by_name(kinds: Mapping[str, _Kind], only: Sequence[str], experiment: str) -> list[_Kind]:
    """Choose by a part of their names; all where nothing is asked for.

    Raises:
        SettingsError: A word is in none of the names.

    """
    for word in only:
        if not any(word in name for name in kinds):
            raise SettingsError(f'--only {word}: not in {experiment}; it has: {"; ".join(kinds)}')
    return [kind for name, kind in kinds.items() if not only or any(w in name for w in only)]


def run_trial(objects: Objects, dataset: Dataset, trial: Trial, setting: Setting) -> Result:
    """Learn, and score what was learned in every mode on the objects that were held out."""
    recipe = setting.recipe.model_copy(update={'seed': trial.seed})
    setting = replace(setting, recipe=recipe)
    split = objects.split(trial.split, recipe, trial.per_class)
    train, test = Prepared(objects, trial.split, setting, split, dataset).data('few', _EVERY)
    if trial.learner == LINEAR:
        begin = time.monotonic()
        found = {m: linear_scores(train, test, given, trial.seed) for m, given in MODES.items()}
        seconds = time.monotonic() - begin
    else:
        found, seconds = _model_scores(train, test, trial, setting)
    commit, machine = provenance(str(setting.device))
    epochs, *weights = _how(setting, objects)
    of_model = dict(zip(('a', 'alpha', 'beta'), weights, strict=True))
    return Result.model_validate(
        {
            'commit': commit,
            'machine': machine,
            'device': setting.device.type,
            'seconds': seconds,
            'data': setting.data(objects),
            'model': trial.learner,
            'missing': '' if trial.learner == LINEAR else 'kl',
            'labels': trial.labels(setting),
            **({} if trial.learner == LINEAR else of_model),
            'recipe': setting.called(),
            'epochs': 0 if trial.learner == LINEAR else epochs,
            'seed': trial.seed,
            'split': trial.split,
            **{mode: 100 * scores.accuracy for mode, scores in found.items()},
            **{f'ece_{mode}': 100 * scores.calibration_error for mode, scores in found.items()},
        }
    )


def of_the_same(
    rows: Sequence[Result], objects: Objects, trial: Trial, setting: Setting
) -> Iterator[Result]:
    """Give the rows of a trial that learned by the same recipe, and in the same way."""
    wanted = (
        setting.called(), setting.data(objects), trial.learner, trial.labels(setting), trial.split,
        trial.seed,
    )  # fmt: skip
    how = _how(setting, objects)
    for row in rows:
        found = row.recipe, row.data, row.model, row.labels, row.split, row.seed
        if wanted == found and (
            trial.learner == LINEAR  # it has none of these
            or how == (row.epochs, row.a, row.alpha, row.beta)
        ):
            yield row


def labelled_only(data: TrainingData) -> TrainingData:
    """Leave the unlabelled frames out."""
    known = data.labels != UNLABELLED
    features, *views = (
        {name: values[known] for name, values in part.items()}
        for part in (data.features, *data.views)
    )
    return replace(data, features=features, views=tuple(views), labels=data.labels[known])


def lasting_as_long(recipe: Recipe, data: TrainingData, like: TrainingData) -> Recipe:
    """Give a recipe as many steps on some data as it would take on others."""
    optimisation = recipe.optimisation
    steps, wanted = (
        len(list(batches(each.labels, optimisation, seed=0, epoch=0))) for each in (data, like)
    )
    epochs = max(round(optimisation.epochs * wanted / steps), 1)
    longer = optimisation.model_copy(update={'epochs': epochs})
    return recipe.model_copy(update={'optimisation': longer})


def _model_scores(
    train: TrainingData, test: TrainingData, trial: Trial, setting: Setting
) -> tuple[dict[str, Scores], float]:
    """Learn a model and score it; tell how many seconds learning took."""
    recipe = setting.recipe
    check_labels(train)
    if trial.learner == LABELLED_ONLY:
        few = labelled_only(train)
        train, recipe = few, lasting_as_long(recipe, few, train)
    digest = hashlib.sha256(f'{recipe.model_dump_json()} {train.fingerprint()}'.encode())
    checkpoint = setting.cache / 'models' / f'few-{digest.hexdigest()[:16]}.safetensors'
    title = f'{trial.learner}, {trial.labels(setting)}, split {trial.split}, seed {trial.seed}'
    with setting.run(title, checkpoint) as run:
        head = fit(train, recipe, run)
    seconds = seconds_taken(checkpoint)
    found = {m: score(head, test, given, 'kl', setting.device) for m, given in MODES.items()}
    checkpoint.unlink(missing_ok=True)
    return found, seconds


def _how(setting: Setting, objects: Objects) -> tuple[object, ...]:
    """Tell by what a row says of it how a model learns: epochs, a, alpha, beta."""
    recipe = setting.recipe
    model = recipe.model_settings(dict.fromkeys(_EVERY, 1), len(objects.classes))
    return recipe.optimisation.epochs, model.widths.a, model.alpha, model.beta
