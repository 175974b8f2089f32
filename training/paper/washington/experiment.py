# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Tables 5 and 6: objects that no model has seen, by RGB, by depth, and by both.

Suzuki & Matsuo 2018, §4.4, on the Washington data set. In table 6 every training crop has its
label; the backbones stay those of table 5 (footnote 12), and SDGM and SS-HMVAE learn their
classifier alone, so that SS-HMVAE has nothing to imagine a missing modality with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from mm_perception.errors import SettingsError
from mm_perception.head import Head
from mm_perception.models.missing import iterative_sampling, zero_fill
from mm_perception.observation import Modality
from training.evaluation.evaluate import Scores
from training.fitting.checkpoint import seconds_taken
from training.fitting.fit import TrainingData, fit
from training.paper.provenance import provenance
from training.paper.results import Missing, Result, append, read
from training.paper.washington.classifier_only import fit_classifier
from training.paper.washington.features import Labels, Prepared, Setting, prepare
from training.paper.washington.splits import read_objects
from training.recipe import PAPER, FineTuning, Recipe, read_recipe

RGB, DEPTH = str(Modality.RGB), str(Modality.DEPTH)
MODES = {'x': (RGB,), 'w': (DEPTH,), 'xw': (RGB, DEPTH)}
"""What is given to a model, by the name that the results have for it."""

TABLES: dict[str, tuple[Labels, tuple[str, ...]]] = {
    'table5': ('few', ('m2', 'sdgm', 'ss_mvae', 'ss_hmvae', 'ss_hmvae_kl')),
    'table6': ('all', ('sdgm', 'ss_hmvae', 'ss_hmvae_kl')),
}
"""Which labels are known, and which models are trained."""

_SINGLE = frozenset({'m2', 'sdgm'})  # see one modality; one is trained for each
_HIERARCHICAL = frozenset({'sdgm', 'ss_hmvae', 'ss_hmvae_kl'})  # have a representation a
_CLASSIFIER_ONLY = frozenset({'sdgm', 'ss_hmvae'})  # where all labels are known
_SAMPLING = 103  # a seed: the same model scores the same each time
_CHUNK = 1024


def run_table(
    table: Literal['table5', 'table6'],
    folder: Path,
    results: Path,
    *,
    trials: Sequence[int] = (),
    models: Sequence[str] = (),
    changes: Sequence[str] = (),
    epochs: int | None = None,
    fine_tuning_epochs: int | None = None,
    quick: bool = False,
    weights: Path | None = None,
    seeds: Sequence[int] = (0,),
    cache: Path,
    device: torch.device,
    console: Console,
) -> list[Result]:
    """Run one of the two tables, and add what is not in the results yet.

    Args:
        table: Which one.
        folder: The data set, laid out as published, or a part of it; see ``read_objects``.
        results: The CSV file to add to.
        trials: The splits to run, from 1; all where none is named.
        models: The models to train; all of the table where none is named.
        changes: Of the recipe ``washington``, ``pipeline.backbones.rgb.name=squeezenet1_0`` and
            the like; ``backbone_changes`` gives those for another backbone.
        epochs: Of the models; None is the paper's.
        fine_tuning_epochs: Of the backbones; None is the paper's.
        quick: Whether the rows are to be marked as such.
        weights: The backbone's weights file; None takes ImageNet's from the torch cache.
        seeds: Each decides labels, fine-tuning and first weights; one run each.
        cache: The folder that keeps fine-tuned weights, features and checkpoints.
        device: Where to compute.
        console: Where progress is shown.

    Returns:
        The rows that were added.

    Raises:
        MMPerceptionError: Whatever is wrong with the input; what was measured is in the results.
        StoppedError: Ctrl-C; the same call goes on where it stopped.

    """
    provenance()  # the commit of the code that is loaded, whatever is committed while it runs
    labels, of_table = TABLES[table]
    for model in models:
        if model not in of_table:
            raise SettingsError(f'model {model}: not in {table}; it has {", ".join(of_table)}')
    objects = read_objects(folder)
    console.print(f'{objects.name}: {len(objects.sources)} objects; {objects.note}')
    added = []
    for seed, trial in product(seeds, trials or range(1, len(objects.trials) + 1)):
        recipe = read_recipe(Path('washington'), [*changes, f'seed={seed}'])
        setting = Setting(
            _with_epochs(recipe, epochs), _fine_tuning(fine_tuning_epochs), weights, cache, device,
            console, quick,
        )  # fmt: skip
        prepared = None
        for model, modes in _trainings(models or of_table):
            if _is_done(read(results), setting.data(objects), model, modes, labels, trial, setting):
                continue
            prepared = prepared or prepare(objects, trial, setting)
            for row in run_washington(prepared, model, modes, labels):
                append(results, row)
                console.print(_told(row), highlight=False)
                added.append(row)
    return added


def backbone_changes(name: str, layer: str | None = None, weights: str = 'file') -> list[str]:
    """Name the changes of the recipe that give every modality another backbone."""
    spec = f'{{name: {name}, layer: {layer or "null"}, weights: {weights}}}'
    return [f'pipeline.backbones.{modality}={spec}' for modality in (RGB, DEPTH)]


def _trainings(models: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Name each model to train, and the modes to score it in; a single modality has its own."""
    for model in models:
        yield from (
            [(model, ('x',)), (model, ('w',))] if model in _SINGLE else [(model, tuple(MODES))]
        )


def run_washington(
    prepared: Prepared, model: str, modes: tuple[str, ...], labels: Labels
) -> Iterator[Result]:
    """Train a model on a split, and score it on the objects that were held out.

    Its checkpoint is kept until the last row was taken.

    Args:
        prepared: The split's features.
        model: Its name in the settings.
        modes: What is given to it when it is scored; it learns from what the last one gives.
        labels: ``few``: those drawn (table 5); ``all``: of every training crop (table 6).

    Yields:
        A row for each way that the model meets a missing modality.

    Raises:
        MMPerceptionError: Whatever is wrong with the settings.
        StoppedError: Ctrl-C; the same call goes on where it stopped.

    """
    setting, objects = prepared.setting, prepared.objects
    recipe = _of_model(setting.recipe, model)
    train, test = prepared.data(labels, MODES[modes[-1]])
    digest = hashlib.sha256(f'{recipe.model_dump_json()} {train.fingerprint()}'.encode())
    checkpoint = setting.cache / 'models' / f'{model}-{digest.hexdigest()[:16]}.safetensors'
    title = f'{model}, {" + ".join(MODES[modes[-1]])}, trial {prepared.trial}'
    learn = fit_classifier if labels == 'all' and model in _CLASSIFIER_ONLY else fit
    with setting.run(title, checkpoint) as run:
        head = learn(train, recipe, run)
    seconds = seconds_taken(checkpoint)
    commit, machine = provenance(str(setting.device))
    settings = head.model.settings
    for missing in ways(model, labels):
        found = {mode: score(head, test, MODES[mode], missing, setting.device) for mode in modes}
        accuracies = {mode: 100 * scores.accuracy for mode, scores in found.items()}
        errors = {f'ece_{mode}': 100 * s.calibration_error for mode, s in found.items()}
        yield Result.model_validate(
            {
                'commit': commit,
                'machine': machine,
                'device': setting.device.type,
                'seconds': seconds,
                'data': setting.data(objects),
                'model': model,
                'missing': missing,
                'labels': setting.labels(labels),
                'a': settings.widths.a if model in _HIERARCHICAL else None,
                'alpha': settings.alpha,
                'beta': settings.beta if model == 'ss_hmvae_kl' else None,
                'recipe': setting.called(),
                'epochs': recipe.optimisation.epochs,
                'seed': recipe.seed,
                'split': prepared.trial,
                **accuracies,
                **errors,
            }
        )
    checkpoint.unlink(missing_ok=True)


def ways(model: str, labels: Labels) -> tuple[Missing, ...]:
    """Tell how a model can meet a missing modality, one row of results each."""
    if model == 'ss_hmvae_kl':
        return ('kl',)
    if model in _SINGLE:
        return ('',)
    imagines = model == 'ss_hmvae' and labels == 'few'
    return ('zero fill', 'iterative') if imagines else ('zero fill',)


def score(
    head: Head, test: TrainingData, given: Sequence[str], missing: Missing, device: torch.device
) -> Scores:
    """Score a model on labelled crops.

    Args:
        head: What was learned.
        test: The crops.
        given: The modalities to go by.
        missing: How the others are met.
        device: Where to compute.

    """
    fills = {'zero fill': zero_fill, 'iterative': iterative_sampling}
    head.to(device).eval()
    torch.manual_seed(_SAMPLING)
    parts = []
    with torch.inference_mode():
        for rows in torch.split(torch.arange(len(test.labels)), _CHUNK):
            inputs = head.scaling({name: test.features[name][rows].to(device) for name in given})
            if missing in fills:
                inputs = fills[missing](head.model, inputs)
            parts.append(head.model.probabilities(inputs).cpu())
    return Scores(test.labels.numpy(), torch.cat(parts).double().numpy())


def _is_done(
    rows: Sequence[Result],
    data: str,
    model: str,
    modes: tuple[str, ...],
    labels: Labels,
    trial: int,
    setting: Setting,
) -> bool:
    """Whether the results have every row of a training on a split."""
    recipe = setting.recipe
    wanted = (
        data, model, setting.labels(labels), trial, recipe.seed, setting.called(),
        recipe.optimisation.epochs,
    )  # fmt: skip
    found = [
        row
        for row in rows
        if wanted == (row.data, row.model, row.labels, row.split, row.seed, row.recipe, row.epochs)
    ]
    return all(
        any(row.missing == missing and getattr(row, mode) is not None for row in found)
        for missing, mode in product(ways(model, labels), modes)
    )


def _of_model(recipe: Recipe, model: str) -> Recipe:
    return recipe.model_copy(update={'model': recipe.model | {'name': model}})


def _with_epochs(recipe: Recipe, epochs: int | None) -> Recipe:
    if epochs is None:
        return recipe
    shorter = recipe.optimisation.model_copy(update={'epochs': epochs})
    return recipe.model_copy(update={'optimisation': shorter})


def _fine_tuning(epochs: int | None) -> FineTuning:
    return PAPER if epochs is None else PAPER.model_copy(update={'epochs': epochs})


def _told(row: Result) -> str:
    scores = {'RGB': row.x, 'depth': row.w, 'both': row.xw}
    found = ', '.join(
        f'{name} {value:.1f} %' for name, value in scores.items() if value is not None
    )
    return f'{row.model} {row.missing}, split {row.split}: {found}, {row.seconds:.0f} s'
