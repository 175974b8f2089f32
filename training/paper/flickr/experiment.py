# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""MIR Flickr: what images and tags tell together, and what images tell when the tags are gone.

Suzuki & Matsuo, Multimodal learning by deep generative model, 2016, §4. A model learns a
representation z of 15,000 images (x, 3,857 features) and their tags (w, 2,000) and looks at none of
the 38 labels. Logistic regression then learns the labels from z, and is scored on the other 10,000
by label-ranking average precision. The paper's four settings:

1. AE and VAE of the images alone.
2. AE and VAE of image and tags joined into one vector, under a Gaussian.
3. MAE and MVAE of image and tags, a Gaussian and a Bernoulli.
4. The models and the logistic regression of 3, given the test images, and zeros for their tags.

A row of results holds two of them, as a line of the paper does: x is setting 1 or 4, xw 2 or 3.

The paper gives the networks (the defaults of ``AutoencoderSettings``), Adam, a z that is *drawn*
from the encoder, and five divisions of the items, whose mean it prints. Where it is silent: 100
epochs in batches of 100 at Adam's usual rate of 1e-3; the five divisions that are published with
the features; each image feature standardised by the training rows, as in the authors' own loader
(library Tars), in setting 2, too; tags as they are. JMVAE-kl is ours to add: what it makes of the
images alone comes from its own encoder of images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mm_perception.errors import SettingsError, TrainingError
from mm_perception.models import Autoencoder, Objective, build_autoencoder
from training.fitting.climb import UNLABELLED, Items, Run, climb
from training.paper.flickr.files import SPLITS, Flickr, read_flickr
from training.paper.flickr.logistic_regression import fit_logistic_regression
from training.paper.flickr.ranking import label_ranking_average_precision
from training.paper.flickr.task import MODALITIES, MODELS, PAPER, FlickrRecipe, Model, Task, View
from training.paper.provenance import provenance
from training.paper.published import FLICKR
from training.paper.results import Result, append, read

_CHUNK = 1000


@dataclass(frozen=True)
class Material:
    """One division of the items, on the device.

    Attributes:
        train: image [N, D] and tags [N, T] to learn from.
        test: The same, to be scored on.
        train_labels: [N, L] bool.
        test_labels: [M, L] bool.
        fingerprint: Of what is learned from.

    """

    train: dict[str, Tensor]
    test: dict[str, Tensor]
    train_labels: Tensor
    test_labels: Tensor
    fingerprint: str


class _Unlabelled:
    """An autoencoder as the climb knows a model: its labelled batch is always empty."""

    def __init__(self, model: Autoencoder) -> None:
        self.model = model

    def objective(
        self, _labelled: Mapping[str, Tensor], _y: Tensor, unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        return self.model.objective(unlabelled)


def run_flickr(
    folder: Path,
    results: Path,
    run: Run,
    recipe: FlickrRecipe = PAPER,
    *,
    seed: int = 0,
    splits: Collection[int] = SPLITS,
    models: Collection[Model] = MODELS,
) -> list[Result]:
    """Train and score what the file of results does not have yet, and add it there.

    Args:
        folder: The published features, see ``read_flickr``.
        results: The file; each row is added as soon as it is there.
        run: Where to compute, and whom to tell. ``checkpoint`` is a folder here, in which each
            training keeps its state until its row is written; ``resume`` goes on from it.
        recipe: How.
        seed: Of first weights, order of items, and noise.
        splits: Which of the published divisions.
        models: Which models.

    Returns:
        The rows added: one a model and division.

    Raises:
        TrainingError: A file that is missing or wrong; see ``read_flickr``, ``climb``, ``append``.
        SettingsError: A setting of the recipe that the models refuse, or no such division.
        StoppedError: ``run.stopping`` said so.

    """
    provenance()  # the commit of the code that is loaded, whatever is committed while it runs
    if unknown := [split for split in splits if split not in SPLITS]:
        there = ', '.join(map(str, SPLITS))
        raise SettingsError(f'--split {unknown[0]}: not in flickr, which has {there}')
    done = read(results)
    tasks = [Task(model, recipe, seed, split) for split in splits for model in models]
    todo = [task for task in tasks if not any(task.made(result) for result in done)]
    for task in todo:
        for view in task.plan:
            task.settings(dict.fromkeys(MODALITIES[view], 1))  # refused now, not after an hour
    added: list[Result] = []
    if not todo:
        return added
    flickr = read_flickr(folder, sorted({task.split for task in todo}))
    for task in todo:
        material = divide(flickr, task.split, run.device)
        added.append(_measure(task, material, run))
        append(results, added[-1])
        for view in task.plan:
            if run.checkpoint is not None:
                _checkpoint(run.checkpoint, task, view, material).unlink(missing_ok=True)
    return added


def divide(flickr: Flickr, number: int, device: torch.device) -> Material:
    """Take a division, standardise its images by its training rows, and move it to the device."""
    split = flickr.splits[number]
    deviation, mean = torch.std_mean(flickr.image[split.train], dim=0, correction=0)
    scale = torch.where(deviation > 0, deviation, 1)
    train, test = (
        {'image': (flickr.image[rows] - mean) / scale, 'tags': flickr.tags[rows]}
        for rows in (split.train, split.test)
    )
    digest = hashlib.sha256()
    for values in train.values():
        digest.update(values.numpy().tobytes())
    return Material(
        {m: values.to(device) for m, values in train.items()},
        {m: values.to(device) for m, values in test.items()},
        flickr.labels[split.train].to(device),
        flickr.labels[split.test].to(device),
        digest.hexdigest(),
    )


def _seen(inputs: Mapping[str, Tensor], view: View) -> dict[str, Tensor]:
    if view == 'joined':
        return {'joined': torch.cat([inputs['image'], inputs['tags']], dim=1)}
    return {m: inputs[m] for m in MODALITIES[view]}


def _measure(task: Task, material: Material, run: Run) -> Result:
    seconds, scores = 0.0, {}
    for view, columns in task.plan.items():
        model, taken = _learn(task, view, material, run)
        seconds += taken
        z = _represent(model, _seen(material.train, view), task)
        classifier = fit_logistic_regression(z, material.train_labels)
        truth = material.test_labels.cpu().numpy()
        for column, given in columns.items():
            logits = classifier.logits(_represent(model, _seen(material.test, given), task))
            scores[column] = 100 * label_ranking_average_precision(truth, logits.cpu().numpy())
    commit, machine = provenance(str(run.device))
    return Result(
        commit=commit,
        machine=machine,
        device=run.device.type,
        seconds=seconds,
        data=FLICKR,
        model=task.model,
        missing=task.missing,
        labels='all',
        beta=task.beta,
        recipe=task.recipe.name,
        epochs=task.recipe.optimisation.epochs,
        seed=task.seed,
        split=task.split,
        metric='lrap',
        **scores,
    )


def _learn(task: Task, view: View, material: Material, run: Run) -> tuple[Autoencoder, float]:
    """Train a model; tell how many seconds it took."""
    x = _seen(material.train, view)
    torch.manual_seed(task.seed)
    model = build_autoencoder(task.settings({m: rows.shape[1] for m, rows in x.items()}))
    model.to(run.device).train()
    if run.checkpoint is not None:
        run = replace(run, checkpoint=_checkpoint(run.checkpoint, task, view, material))
    seconds = climb(
        Items(
            lambda rows: {m: values[rows] for m, values in x.items()},
            torch.full((len(material.train_labels),), UNLABELLED),
        ),
        _Unlabelled(model),
        model,
        task.recipe.optimisation,
        run,
        seed=task.seed,
        identity=task.identity(view, material.fingerprint),
    )
    return model.eval(), seconds


def _checkpoint(folder: Path, task: Task, view: View, material: Material) -> Path:
    identity = task.identity(view, material.fingerprint)
    name = f'flickr-{task.model}-{view}-split-{task.split}-seed-{task.seed}-{identity[:8]}'
    return folder / f'{name}.safetensors'


@torch.no_grad()
def _represent(model: Autoencoder, x: Mapping[str, Tensor], task: Task) -> Tensor:
    torch.manual_seed(task.seed)  # the same, whether the training went on from a checkpoint or not
    starts = range(0, len(next(iter(x.values()))), _CHUNK)
    parts = ({m: rows[i : i + _CHUNK] for m, rows in x.items()} for i in starts)
    z = torch.cat([model.represent(part, sampled=True) for part in parts])
    if not z.isfinite().all():
        raise TrainingError(
            f'{task.model}, split {task.split}: z is not finite after training; lower the '
            "recipe's optimisation.learning_rate"
        )
    return z
