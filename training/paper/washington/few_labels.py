# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What unlabelled frames are worth: objects that no model has seen, by how many labels there were.

Three learn from the same frozen features and the same labels of the Washington data set's splits:
SS-HMVAE-kl with the unlabelled frames, the same model without them (for as many steps), and a
linear classifier for each mode. The papers do not ask this; table 5 has no figure to compare with.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from mm_perception.errors import SettingsError
from training.evaluation.evaluate import Scores
from training.features.dataset import Dataset
from training.fitting.climb import UNLABELLED, batches
from training.fitting.fit import TrainingData, check_labels, fit
from training.paper.learners import LABELLED_ONLY, LEARNERS, LINEAR
from training.paper.provenance import provenance
from training.paper.results import Result, append, read
from training.paper.washington.experiment import MODES, score
from training.paper.washington.features import Prepared, Setting, frozen_features
from training.paper.washington.linear import linear_scores
from training.paper.washington.splits import Objects, read_objects
from training.recipe import Recipe

PER_CLASS = (1, 2, 5, None)
"""So many labelled frames of each class; None is the recipe's share of all."""

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
        return _labels(self.per_class, setting)


def run_few_labels(
    folder: Path,
    results: Path,
    setting: Setting,
    *,
    trials_file: Path | None = None,
    splits: Sequence[int] = (),
    only: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
) -> list[Result]:
    """Run what is not in the results yet.

    Args:
        folder: The data set, laid out as published, or a part of it.
        results: The CSV file to add to.
        setting: How and where; its backbones stay as they are.
        trials_file: See ``read_objects``.
        splits: Those to run, from 1; all where none is named.
        only: What learner and labels (``linear, 5%``) have to have in their name, one of these.
        seeds: Each decides labels and first weights; one run each.

    Returns:
        The rows that were added.

    Raises:
        MMPerceptionError: Whatever is wrong with the input; what was measured is in the results.
        StoppedError: Ctrl-C; the same call goes on where it stopped.

    """
    provenance()  # the commit of the code that is loaded, whatever is committed while it runs
    objects = read_objects(folder, trials_file)
    setting.console.print(f'{objects.name}: {len(objects.sources)} objects; {objects.note}')
    chosen = splits or range(1, len(objects.trials) + 1)
    for split in chosen:
        objects.split(split, setting.recipe)  # refuse a wrong one now, not after the features
    added: list[Result] = []
    dataset: Dataset | None = None
    for seed, split, kind in product(seeds, chosen, _kinds(only, setting)):
        trial = Trial(*kind, split, seed)
        if _is_done(read(results), objects, trial, setting):
            continue
        dataset = dataset or frozen_features(objects, setting)
        row = run_trial(objects, dataset, trial, setting)
        append(results, row)
        setting.console.print(_told(row), highlight=False)
        added.append(row)
    return added


def run_trial(objects: Objects, dataset: Dataset, trial: Trial, setting: Setting) -> Result:
    """Learn, and score what was learned in every mode on the objects that were held out."""
    recipe = setting.recipe.model_copy(update={'seed': trial.seed})
    setting = replace(setting, recipe=recipe)
    split = objects.split(trial.split, recipe, trial.per_class)
    train, test = Prepared(objects, trial.split, setting, split, dataset).data('few', _EVERY)
    begin = time.monotonic()
    if trial.learner == LINEAR:
        found = {m: linear_scores(train, test, given, trial.seed) for m, given in MODES.items()}
    else:
        found = _model_scores(train, test, trial, setting)
    seconds = time.monotonic() - begin
    commit, machine = provenance(str(setting.device))
    called, epochs, *weights = _recipe(setting, objects)
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
            'recipe': called,
            'epochs': 0 if trial.learner == LINEAR else epochs,
            'seed': trial.seed,
            'split': trial.split,
            **{mode: 100 * scores.accuracy for mode, scores in found.items()},
            **{f'ece_{mode}': 100 * scores.calibration_error for mode, scores in found.items()},
        }
    )


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


def _labels(per_class: int | None, setting: Setting) -> str:
    return setting.labels('few') if per_class is None else f'{per_class} a class'


def _kinds(only: Sequence[str], setting: Setting) -> list[tuple[str, int | None]]:
    """Choose learners and numbers of labels by a part of their names."""
    names = {
        f'{learner}, {_labels(per_class, setting)}': (learner, per_class)
        for per_class, learner in product(PER_CLASS, LEARNERS)
    }
    for word in only:
        if not any(word in name for name in names):
            raise SettingsError(f'--only {word}: not in few_labels; it has: {"; ".join(names)}')
    return [kind for name, kind in names.items() if not only or any(w in name for w in only)]


def _model_scores(
    train: TrainingData, test: TrainingData, trial: Trial, setting: Setting
) -> dict[str, Scores]:
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
    found = {m: score(head, test, given, 'kl', setting.device) for m, given in MODES.items()}
    checkpoint.unlink(missing_ok=True)
    return found


def _is_done(rows: Sequence[Result], objects: Objects, trial: Trial, setting: Setting) -> bool:
    wanted = (
        setting.data(objects), trial.learner, trial.labels(setting), trial.split, trial.seed
    )  # fmt: skip
    recipe = _recipe(setting, objects)
    return any(
        wanted == (row.data, row.model, row.labels, row.split, row.seed)
        and (
            trial.learner == LINEAR  # it asks for no recipe
            or recipe == (row.recipe, row.epochs, row.a, row.alpha, row.beta)
        )
        for row in rows
    )


def _recipe(setting: Setting, objects: Objects) -> tuple[object, ...]:
    """Name a recipe by what a row says of it."""
    recipe = setting.recipe
    model = recipe.model_settings(dict.fromkeys(_EVERY, 1), len(objects.classes))
    return setting.called(), recipe.optimisation.epochs, model.widths.a, model.alpha, model.beta


def _told(row: Result) -> str:
    return (
        f'{row.model}, {row.labels}, split {row.split}, seed {row.seed}: RGB {row.x:.1f} %, '
        f'depth {row.w:.1f} %, both {row.xw:.1f} %, {row.seconds:.0f} s'
    )
