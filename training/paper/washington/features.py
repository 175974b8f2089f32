# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A Washington split's features: of backbones fine-tuned on its labelled crops, or frozen ones.

Suzuki & Matsuo 2018, §4.1.2. Fine-tuned weights, features and checkpoints lie in a cache; of the
whole data set with VGG16, one split takes about 1 GB for weights and 3 GB for features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from rich.console import Console

from mm_perception.errors import ImageError
from mm_perception.features import BackboneSettings
from mm_perception.observation import Modality
from mm_perception.pipeline import Image, Pipeline
from training.backbones.files import learned_pipeline
from training.backbones.finetune import FineTuned, LabelledImages, fine_tune
from training.backbones.taught import taught
from training.features.dataset import Dataset, Extractor, load_dataset
from training.fitting.climb import Run
from training.fitting.fit import TrainingData
from training.fitting.joined import pieces
from training.interrupt import stoppable
from training.material import split as divide
from training.paper.learners import FROZEN, TAUGHT
from training.paper.results import RecipeName
from training.paper.washington.naming import recipe_name
from training.paper.washington.splits import Objects, Split
from training.progress import progress_bars
from training.recipe import FineTuning, Recipe
from training.session import Setting as Session

Labels = Literal['few', 'all']
"""Of which training crops a model knows the category: of those drawn, or of every one."""


@dataclass(frozen=True)
class Setting:
    """How and where the experiments are made.

    Attributes:
        recipe: How a model is learned; the pipeline, the share of labels and the seed of both.
        fine_tuning: How backbones are; the seed is the recipe's. None leaves them as they are.
        weights: The backbone's weights file; None takes ImageNet's from the torch cache.
        cache: The folder that keeps fine-tuned weights, features and checkpoints.
        device: Where to compute.
        console: Where progress is shown.
        quick: Whether the rows are to be marked as a quick look.
        name: What results call the recipe; None finds out by its settings.

    """

    recipe: Recipe
    fine_tuning: FineTuning | None
    weights: Path | None
    cache: Path
    device: torch.device
    console: Console
    quick: bool = False
    name: RecipeName | None = None

    def named(self, ours: str) -> Setting:
        """Give the setting whose recipe keeps its name, however an experiment varies it.

        Args:
            ours: The shipped recipe that is the experiment's own.

        """
        name = recipe_name(self.recipe, self.fine_tuning, ours=ours, quick=self.quick)
        return replace(self, name=name)

    def labels(self, labels: Labels) -> str:
        """Name the labels as results do: ``5%``, ``all``."""
        return 'all' if labels == 'all' else f'{100 * (self.recipe.labelled_fraction or 1):g}%'

    def data(self, objects: Objects) -> str:
        """Name the data as results do: by other features than the paper's it is another set."""
        names = {spec.name for spec in self.recipe.pipeline.backbones.values()}
        others = sorted(names - {BackboneSettings().name})
        if self.fine_tuning is None:
            how = TAUGHT if self.recipe.teaching else FROZEN
            others = [f'{how} {name}' for name in sorted(names)]
        encoding = self.recipe.pipeline.preprocessing.depth_encoding
        return ', '.join([objects.name, *others, *[encoding] * (encoding != 'jet')])

    def called(self) -> RecipeName:
        """Name the recipe as results do, see ``recipe_name``."""
        return self.name or recipe_name(self.recipe, self.fine_tuning, quick=self.quick)

    @contextmanager
    def run(self, title: str, checkpoint: Path | None = None) -> Iterator[Run]:
        """Show a training's progress, and let Ctrl-C stop it; it goes on from the checkpoint."""
        with bar(self.console, title) as show, stoppable() as stopping:
            yield Run(
                self.device,
                checkpoint,
                resume=True,
                report=lambda progress: show(progress.done, progress.total),
                stopping=stopping,
            )


@contextmanager
def bar(console: Console, title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar; it is told what is done, and of how many where that is known."""
    with progress_bars(console) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@dataclass(frozen=True)
class Prepared:
    """A split's features, the same for all models.

    Attributes:
        objects: Where from.
        trial: Which split, from 1.
        setting: How made.
        split: Its labels.
        dataset: The features of every crop.

    """

    objects: Objects
    trial: int
    setting: Setting
    split: Split
    dataset: Dataset

    def data(self, labels: Labels, modalities: Sequence[str]) -> tuple[TrainingData, TrainingData]:
        """Give what trains and what is held out, by some modalities."""
        label_of = self.split.label_of(every=labels == 'all')
        known = tuple(
            tuple(label_of(rows.recording, int(moment)) for moment in rows.times)
            for rows in self.dataset.rows
        )
        parts = divide(Dataset(self.dataset.rows, known), self.split.held_out)
        train, test = (part.training_data(self.objects.classes) for part in parts)
        return _only(train, modalities), _only(test, modalities)


def prepare(objects: Objects, trial: int, setting: Setting) -> Prepared:
    """Fine-tune a split's backbones, and compute the features of all crops with them.

    Whatever was made before in the same way is found in the cache.

    Raises:
        MMPerceptionError: No such trial, an image that cannot be read, weights that do not fit.
        StoppedError: Ctrl-C; the same call goes on where it stopped.

    """
    split = objects.split(trial, setting.recipe)
    if setting.fine_tuning is None:
        return Prepared(objects, trial, setting, split, frozen_features(objects, setting))
    tuned = _fine_tune(objects.classes, split, setting, setting.fine_tuning)
    pipeline = learned_pipeline(setting.recipe.pipeline, tuned, setting.weights)
    return Prepared(objects, trial, setting, split, _features(objects, pipeline, setting))


def frozen_features(objects: Objects, setting: Setting) -> Dataset:
    """Compute the features of all crops, the same for every split: of backbones as they are."""
    plain = setting.recipe.pipeline
    return _features(objects, Pipeline(plain, _weights(setting)), setting)


def taught_features(
    objects: Objects, trial: int, setting: Setting, plain: Dataset, seed: int
) -> Dataset:
    """Compute the features of all crops with a depth backbone that RGB's taught on a split.

    Args:
        objects: The data set.
        trial: The split; what it holds out teaches nothing.
        setting: How; its recipe says how depth is taught.
        plain: The features of the backbones as they are, the same crops.
        seed: Of the teaching.

    """
    recipe = setting.recipe.model_copy(update={'seed': seed})
    held_out = objects.split(trial, recipe).held_out
    train, _ = divide(plain, held_out)
    place = Session(
        setting.cache,
        setting.device,
        setting.cache / 'features',
        setting.weights,
        console=setting.console,
    )
    pipeline = Pipeline(recipe.pipeline, _weights(setting))
    pipeline.to(setting.device)
    sources = [source for source in objects.sources if source.name not in held_out]
    new, _ = taught(pipeline, sources, train, recipe, place)
    return _features(objects, new, setting)


def _features(objects: Objects, pipeline: Pipeline, setting: Setting) -> Dataset:
    """Compute features; which crops have a label is not theirs to say."""
    pipeline.to(setting.device)
    with bar(setting.console, 'features') as show:
        extractor = Extractor(
            pipeline,
            setting.cache / 'features',
            setting.recipe.every,
            lambda _: show(extractor.computed + extractor.reused, None),
        )
        dataset = load_dataset(
            objects.sources, lambda _name, _time: None, extractor, setting.recipe.views
        )
    if extractor.skipped:
        setting.console.print(
            f'[yellow]left out[/]: {extractor.skipped} crops whose depth shows nothing'
        )
    return dataset


def _weights(setting: Setting) -> dict[Modality, Path]:
    if setting.weights is None:
        return {}
    return dict.fromkeys(setting.recipe.pipeline.modalities, setting.weights)


def _fine_tune(
    classes: tuple[str, ...], split: Split, setting: Setting, how: FineTuning
) -> dict[Modality, FineTuned]:
    """Fine-tune one copy a modality; no image is opened but the labelled ones."""
    plain = setting.recipe.pipeline
    how = how.model_copy(update={'seed': setting.recipe.seed})
    images, labels = _labelled_images(split, setting)
    targets = torch.tensor([classes.index(label) for label in labels])
    tuned = {}
    for modality, spec in plain.backbones.items():
        data = LabelledImages(np.stack([each[modality] for each in images]), targets, classes)
        with setting.run(f'fine-tuning, {modality}') as run:
            tuned[modality] = fine_tune(
                spec, setting.weights, data, how, run, setting.cache / 'fine_tuned'
            )
        found = tuned[modality]
        setting.console.print(
            f'{spec.name}, {modality}: {"found" if found.reused else "fine-tuned"}, '
            f'{found.accuracy:.1%} of its {len(targets)} labelled crops right, {found.path.name}'
        )
    return tuned


def _labelled_images(
    split: Split, setting: Setting
) -> tuple[list[dict[Modality, Image]], list[str]]:
    """Read the labelled crops that show something to every modality, and their categories."""
    plain = setting.recipe.pipeline
    pipeline = Pipeline(plain, _weights(setting))
    images, labels = [], []
    for crop in split.labelled:
        try:
            prepared = pipeline.prepare(crop.observation())
        except ImageError:  # no modality shows anything
            continue
        if len(prepared) == len(plain.modalities):
            images.append(prepared)
            labels.append(crop.category)
    return images, labels


def _only(data: TrainingData, modalities: Sequence[str]) -> TrainingData:
    features, *views = (
        {name: torch.cat(pieces(part[name])) for name in modalities}
        for part in (data.features, *data.views)
    )
    return replace(data, features=features, views=tuple(views))
