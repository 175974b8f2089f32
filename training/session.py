# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One training session: features → fit → evaluate → bundle, recipe and report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from mm_perception.bundle import Bundle, save_bundle
from mm_perception.errors import TrainingError
from mm_perception.head import Head
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline, PipelineSettings
from training.backbones.taught import taught
from training.backbones.tuned import fine_tuned
from training.backbones.weights import without_pickle
from training.evaluation.evaluate import Scores, evaluate
from training.evaluation.trust import Findings, gather, learn_trust
from training.features.dataset import Dataset, Extractor, load_dataset
from training.fitting.climb import CHECKPOINT_SECONDS, UNLABELLED, Epoch, Run
from training.fitting.distributed import ALONE, Ranks, started_again
from training.fitting.fit import TrainingData, check_labels, fit
from training.interrupt import stoppable
from training.material import Material, held_out_at_random, refuse_overlap, set_aside, split
from training.output import Output, Stand
from training.progress import progress_bars
from training.recipe import Recipe
from training.report import write_report
from training.summary import (
    About,
    description,
    facts_of,
    make_report,
    random_weights,
    tell_lost,
    version,
    versions,
)


@dataclass(frozen=True)
class Setting:
    """Where a session runs and what it leaves behind.

    Attributes:
        output: The folder for bundle, recipe, report and checkpoint.
        device: Where to compute.
        cache: The folder that keeps features.
        backbone_weights: The backbones' weights file, where the recipe asks for one.
        learned: What was made of it, by modality.
        resume: Go on with what was begun in the output folder, however far that had come.
        overwrite: Replace what an earlier session left there.
        checkpoint_every: See ``Run``.
        ranks: The processes that train together; each has a setting of its own.
        epochs: Told of each epoch of the fit with all labels.
        console: Where it speaks.

    """

    output: Path
    device: torch.device
    cache: Path
    backbone_weights: Path | None = None
    learned: Mapping[Modality, Path] = field(default_factory=dict)
    resume: bool = False
    overwrite: bool = False
    checkpoint_every: float = CHECKPOINT_SECONDS
    ranks: Ranks = ALONE
    epochs: Callable[[Epoch], None] = lambda _: None
    console: Console = field(default_factory=Console)


@dataclass(frozen=True)
class Outcome:
    """What a session made.

    Attributes:
        bundle: The bundle's folder.
        report: The report's file.
        scores: By mode, on the held-out recordings; none of a session that had ended before.
        trust: What is unknown, and what held-out recordings say of that; None of a model that
            cannot tell.

    """

    bundle: Path
    report: Path
    scores: dict[str, Scores]
    trust: Findings | None


def run_session(
    recipe: Recipe,
    setting: Setting,
    material: Material,
    held_out: Material | frozenset[str] | float,
    leave_out: frozenset[str] = frozenset(),
) -> Outcome:
    """Train and evaluate.

    Args:
        recipe: Every setting of the training.
        setting: Where it runs.
        material: The recordings to train with.
        held_out: The recordings to evaluate on: others, or some of the material by name, or a
            share of the material chosen at random.
        leave_out: Classes that are not trained, to see whether they are told to be unknown.

    Raises:
        MMPerceptionError: Whatever is wrong with the input.
        StoppedError: Ctrl-C; the checkpoint is in the output folder.

    """
    setting = replace(setting, resume=setting.resume or started_again())
    output = Output(setting.output, setting.resume, setting.overwrite, setting.ranks)
    with output.claimed(recipe) as stand:
        if stand is not Stand.BEGINNING:
            setting.console.print(f'{setting.output}: {stand.value}', soft_wrap=True)
        if stand is Stand.FINISHED:
            return Outcome(output.bundle, output.report, {}, None)
        return _train(recipe, setting, material, held_out, leave_out, output)


def _train(
    recipe: Recipe,
    setting: Setting,
    material: Material,
    held_out: Material | frozenset[str] | float,
    leave_out: frozenset[str],
    output: Output,
) -> Outcome:
    started = time.monotonic()
    setting = _with_safe_weights(setting)
    pipeline = load_pipeline(recipe.pipeline, setting.backbone_weights, setting)
    take = partial(_take, recipe, setting, material, held_out, leave_out)
    train, test, data = take(pipeline)
    if recipe.teaching is not None:
        pipeline, files = taught(pipeline, material.sources, train, recipe, setting)
        setting = replace(setting, learned=files)
    if recipe.finetune is not None:
        pipeline, files = fine_tuned(pipeline, material.sources, train, data, recipe, setting)
        setting = replace(setting, learned=files)
    if setting.learned:
        train, test, data = take(pipeline)
    setting.console.print(description(data, train, test))
    history: list[Epoch] = []

    def told(epoch: Epoch) -> None:
        history.append(epoch)
        setting.epochs(epoch)

    head = _fit(data, recipe, setting, 'fit', output.checkpoint, told)
    scores = score(head, test, data.classes, setting)
    tell_lost(scores, data.classes, setting.console)
    trust = learn_trust(head, data, test, recipe.trust, setting.device)
    efficiency = _efficiency(data, recipe, setting, test, scores)
    if not setting.ranks.first:
        return Outcome(output.bundle, output.report, scores, trust)
    # Whenever this is killed, the checkpoint is still there to do it again.
    _save(output.bundle, head, data, pipeline, scores, trust, setting)
    recipe_text = output.write_recipe(recipe)
    facts = facts_of(data, train, pipeline, time.monotonic() - started, recipe_text)
    counts = Counter(data.labels[data.labels != UNLABELLED].tolist())
    about = About(
        title=setting.output.resolve().name,
        setup=facts,
        warnings=random_weights(pipeline.settings),
        labelled={name: counts[i] for i, name in enumerate(data.classes)},
        efficiency=efficiency,
        trust=trust,
        history=history,
    )
    judged = head, setting.device
    report = write_report(setting.output, make_report(about, data.classes, scores, test, judged))
    output.checkpoint.unlink(missing_ok=True)
    return Outcome(output.bundle, report, scores, trust)


def evaluate_bundle(
    path: Path, setting: Setting, material: Material
) -> tuple[dict[str, Scores], Findings | None]:
    """Score a bundle on recordings, and see what it takes for unknown there.

    Raises:
        MMPerceptionError: Whatever is wrong with the input.

    """
    bundle = Bundle.load(path)
    weights = bundle.backbone_weights
    settings = bundle.manifest.pipeline
    if setting.backbone_weights is not None:
        weights = {m: weights.get(m, setting.backbone_weights) for m in settings.modalities}
    pipeline = Pipeline(settings, weights)
    pipeline.to(setting.device)
    dataset = _extracted(material, pipeline, 1, setting)
    classes, usual = bundle.manifest.classes, bundle.manifest.trust
    scores = score(bundle.head, dataset, classes, setting)
    tell_lost(scores, classes, setting.console)
    trust = None
    if usual is not None:
        trust = Findings(usual, gather(bundle.head, dataset, classes, setting.device))
    if setting.output != path:
        about = About(
            title=path.resolve().name,
            setup={'bundle': str(path), **versions()},
            warnings=random_weights(settings),
            trust=trust,
        )
        judged = bundle.head, setting.device
        report = make_report(about, classes, scores, dataset, judged)
        setting.console.print(f'report: {write_report(setting.output, report)}')
    return scores, trust


def load_pipeline(settings: PipelineSettings, weights: Path | None, setting: Setting) -> Pipeline:
    """Build the pipeline on the session's device, and say loudly when its weights are random."""
    files = {} if weights is None else dict.fromkeys(settings.modalities, weights)
    with setting.console.status('loading the backbone'):
        pipeline = Pipeline(settings, files)
        pipeline.to(setting.device)
    for warning in random_weights(settings):
        setting.console.print(f'[bold yellow]RANDOM WEIGHTS[/]: {warning}')
    return pipeline


def score(
    head: Head, dataset: Dataset, classes: tuple[str, ...], setting: Setting
) -> dict[str, Scores]:
    """Score a model on a dataset's labelled rows.

    Raises:
        TrainingError: None of its rows has a label that the model knows.

    """
    data = dataset.training_data(classes)
    known = data.labels != UNLABELLED
    strange = {label for labels in dataset.labels for label in labels if label} - set(classes)
    if strange:
        setting.console.print(
            f'[yellow]unknown to the model[/]: frames of {", ".join(sorted(strange))}, '
            'which it was not trained for'
        )
    if not known.any():
        raise TrainingError('held-out recordings: no labelled frame of a class that was trained')
    features = {name: values[known] for name, values in data.features.items()}
    return evaluate(head, features, data.labels[known], setting.device)


def _with_safe_weights(setting: Setting) -> Setting:
    """Turn a ``.pth`` of the user's into safetensors: bundles hold no pickle."""
    given = setting.backbone_weights
    safe = given and without_pickle(given, setting.cache.parent / 'weights')
    return replace(setting, backbone_weights=safe)


def _take(
    recipe: Recipe,
    setting: Setting,
    material: Material,
    held_out: Material | frozenset[str] | float,
    leave_out: frozenset[str],
    pipeline: Pipeline,
) -> tuple[Dataset, Dataset, TrainingData]:
    """Give what trains, what is held out, and what there is to learn from."""
    if isinstance(held_out, Material):
        refuse_overlap(material, held_out)
    train = _extracted(material, pipeline, recipe.every, setting, recipe.views)
    if isinstance(held_out, Material):
        test = _extracted(held_out, pipeline, recipe.every, setting)
    else:
        if isinstance(held_out, float):
            held_out = held_out_at_random(train, held_out, recipe.seed)
        train, test = split(train, held_out)
    train, test = set_aside(train, test, leave_out)
    data = _thin_out(train.training_data(train.classes()), recipe.labelled_fraction, recipe.seed)
    check_labels(data)
    return train, test, data


def _extracted(
    material: Material, pipeline: Pipeline, every: int, setting: Setting, views: int = 0
) -> Dataset:
    with progress_bars(setting.console) as progress:
        task = progress.add_task('features', total=None)
        extractor = Extractor(
            pipeline,
            setting.cache,
            every,
            lambda done: progress.advance(task, done),
            setting.ranks,
        )
        dataset = load_dataset(material.sources, material.label_of, extractor, views)
        total = extractor.computed + extractor.reused
        progress.update(task, total=total, completed=total)
    skipped = f', {extractor.skipped} lacked a modality' if extractor.skipped else ''
    setting.console.print(
        f'{total} observations of {len(material.sources)} recordings '
        f'({extractor.reused} found in {setting.cache}{skipped})'
    )
    return dataset


def _thin_out(data: TrainingData, share: float | None, seed: int) -> TrainingData:
    """Keep a share of each class's labels, at least one."""
    if share is None:
        return data
    generator = torch.Generator().manual_seed(seed)
    labels = torch.full_like(data.labels, UNLABELLED)
    for number in range(len(data.classes)):
        rows = torch.nonzero(data.labels == number).flatten()
        kept = max(round(share * len(rows)), 1)
        chosen = rows[torch.randperm(len(rows), generator=generator)[:kept]]
        labels[chosen] = number
    return replace(data, labels=labels)


def _fit(
    data: TrainingData,
    recipe: Recipe,
    setting: Setting,
    name: str,
    checkpoint: Path | None,
    epochs: Callable[[Epoch], None] = lambda _: None,
) -> Head:
    with progress_bars(setting.console) as progress, stoppable() as stopping:
        task = progress.add_task(name, total=None)
        if checkpoint is not None:
            setting.console.print(f'Ctrl-C stops the fit and keeps {checkpoint}')
            if setting.ranks.first and not setting.resume:
                checkpoint.unlink(missing_ok=True)  # an earlier session's, to be overwritten
        run = Run(
            setting.device,
            checkpoint,
            checkpoint_every=setting.checkpoint_every,
            resume=setting.resume,
            epochs=epochs,
            ranks=setting.ranks,
            report=lambda p: progress.update(task, total=p.total, completed=p.done),
            stopping=stopping,
        )
        return fit(data, recipe, run)


def _efficiency(
    data: TrainingData,
    recipe: Recipe,
    setting: Setting,
    test: Dataset,
    scores: dict[str, Scores],
) -> list[tuple[int, dict[str, float]]]:
    """Fit again with shares of the labels."""
    points = []
    for share in sorted(recipe.efficiency):
        fewer = _thin_out(data, share, recipe.seed)
        head = _fit(fewer, recipe, setting, f'fit, {share:.0%} of the labels', None)
        found = score(head, test, data.classes, setting)
        points.append((fewer.labelled, {mode: s.accuracy for mode, s in found.items()}))
    points.append((data.labelled, {mode: s.accuracy for mode, s in scores.items()}))
    return points


def _save(
    path: Path,
    head: Head,
    data: TrainingData,
    pipeline: Pipeline,
    scores: dict[str, Scores],
    trust: Findings | None,
    setting: Setting,
) -> None:
    from_file = {
        modality: file
        for modality, spec in pipeline.settings.backbones.items()
        if spec.weights == 'file'
        and (file := setting.learned.get(modality, setting.backbone_weights)) is not None
    }
    manifest = {
        'created': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'made_by': f'mm_perception {version()}',
        'classes': data.classes,
        'pipeline': pipeline.pinned,
        'model': head.model.settings,
        'accuracy': {mode: round(s.accuracy, 4) for mode, s in scores.items()},
        'trust': trust and trust.settings,
    }
    save_bundle(path, head, manifest, from_file)
