# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How many labels, and how many clicks, until nine of ten held-out frames are right.

``make bench`` prints the tables; alone they are ``pytest test/benchmark/test_labels_needed.py``.
An oracle takes the place of the person: it names what most of a stretch or group shows, also where
that is wrong for the rest. It is asked by the same chooser, groups and model as by the page.

The chooser was made on other simulated recordings and other seeds than those here; of the real
crops there is but one set.
"""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mm_perception.head import Head
from mm_perception.pipeline import Pipeline
from training.features.dataset import Dataset, Extractor, Rows, load_dataset
from training.fitting.climb import Run
from training.fitting.fit import TrainingData, fit
from training.labelling.choosing import order, uncertainty
from training.labelling.grouping import (
    Stretch,
    group,
    means,
    points_of_features,
    stretches,
)
from training.labelling.outlook import look
from training.material import BagOptions, bag_material, washington_material
from training.recipe import Recipe, read_recipe
from training.simulation import SimulationSettings, simulate

pytestmark = [pytest.mark.timeout(3600), pytest.mark.usefixtures('one_thread')]

CPU = torch.device('cpu')
SEEDS = range(5)
ENOUGH = 0.9
FITS = (4, 8, 12, 16, 24)  # after so many clicks
LEFT_OUT = 0.2  # of the frames' recordings, others for each seed
NOTHING = -1
CHANGES = [
    *('scaling=feature', 'model.widths={hidden: 128, a: 64, z: 32}'),
    'model.alpha=30',  # as in few_labels.yaml
    *('optimisation.epochs=50', 'optimisation.learning_rate=0.004'),
    *('optimisation.batch_size=512', 'optimisation.labelled_batch_size=512'),
    'optimisation.schedule=cosine',
]
BACKBONES = [
    f'pipeline.backbones.{modality}.{setting}'
    for modality in ('rgb', 'depth')
    for setting in ('name=squeezenet1_0', 'weights=file')
]
WEIGHTS = 'weights/squeezenet1_0_imagenet.fp16.safetensors'


@dataclass
class Task:
    """Frames to label, in their recordings, and frames to test on."""

    features: dict[str, NDArray[np.float32]]
    truth: NDArray[np.int64]
    lengths: list[int]
    test: TrainingData
    recipe: Recipe
    known: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.known = np.full(len(self.truth), NOTHING)
        self.starts = [0, *np.cumsum(self.lengths)[:-1].tolist()]
        self.points = points_of_features(self.features)
        self.look_with(None)

    def look_with(self, head: Head | None) -> None:
        """See the frames as the page does."""
        outlook = None if head is None else look(head, self.features, CPU)
        a = None if outlook is None else outlook.a
        self.stretches = stretches(
            group(self.points if a is None else a, self.lengths), self.lengths
        )
        self.doubts = None if outlook is None else uncertainty(outlook.probabilities)

    def frames(self, stretch: Stretch) -> list[int]:
        start = self.starts[stretch.recording]
        return list(range(start + stretch.first, start + stretch.last + 1))

    @property
    def labelled(self) -> list[int]:
        """How many frames of each stretch have a label."""
        known = self.known != NOTHING
        return [int(known[self.frames(s)].sum()) for s in self.stretches]

    def asked_first(self) -> list[int]:
        """The page's queue."""
        return order(self.stretches, self.points, self.known != NOTHING, self.doubts, most=1)

    def click(self, frames: Sequence[int]) -> None:
        """Have the oracle name what most of them show."""
        bare = [frame for frame in frames if self.known[frame] == NOTHING]
        self.known[bare] = Counter(self.truth[bare].tolist()).most_common(1)[0][0]

    def learn(self, seed: int) -> Head | None:
        """Fit the classes that have a label; None where these are too few."""
        present = np.unique(self.known[self.known != NOTHING])
        if len(present) < 2:
            return None
        labels = np.searchsorted(present, self.known)
        labels[self.known == NOTHING] = NOTHING
        names = tuple(self.test.classes[i] for i in present)
        features = {name: torch.from_numpy(values) for name, values in self.features.items()}
        data = TrainingData(features, torch.from_numpy(labels), names)
        return fit(data, self.recipe.model_copy(update={'seed': seed}), Run(CPU))

    def accuracy(self, head: Head) -> float:
        """Share of the test frames that both modalities together get right."""
        present = np.unique(self.known[self.known != NOTHING])
        features = {name: values[:].numpy() for name, values in self.test.features.items()}
        said = present[look(head, features, CPU).together.argmax(1)]
        return float((said == self.test.labels.numpy()).mean())


Clicks = Iterator[Sequence[int]]


def random_stretches(task: Task, chance: random.Random) -> Clicks:
    """One stretch a click, any."""
    while bare := [s for s, n in zip(task.stretches, task.labelled, strict=True) if n < len(s)]:
        yield task.frames(chance.choice(bare))


def least_sure_stretches(task: Task, _: random.Random) -> Clicks:
    """One stretch a click: that of which the model is the least sure, as the page asked before.

    Without a model groups take turns, the largest first. What is partly labelled is not asked.
    """
    while bare := [i for i, labelled in enumerate(task.labelled) if not labelled]:
        ranks = ranks_before(task)
        yield task.frames(task.stretches[min(bare, key=ranks.__getitem__)])


def ranks_before(task: Task) -> list[tuple[float, ...]]:
    """Rank each stretch as the page did before; the lowest is first."""
    if task.doubts is not None:
        doubts = means(task.stretches, task.doubts[:, None])[:, 0]
        return [(-doubt,) for doubt in doubts.tolist()]
    sizes, asked = Counter[int](), Counter[int]()
    for s, labelled in zip(task.stretches, task.labelled, strict=True):
        sizes[s.group] += len(s)
        asked[s.group] += labelled > 0
    return [(asked[s.group], -sizes[s.group], -len(s)) for s in task.stretches]


def first_stretches(task: Task, _: random.Random) -> Clicks:
    """One stretch a click, the page's first."""
    while asked := task.asked_first():
        yield task.frames(task.stretches[asked[0]])


def groups(task: Task, _: random.Random) -> Clicks:
    """One group a click, that of the page's first stretch."""
    while asked := task.asked_first():
        chosen = task.stretches[asked[0]].group
        yield [f for s in task.stretches if s.group == chosen for f in task.frames(s)]


WAYS: dict[str, Callable[[Task, random.Random], Clicks]] = {
    'any stretch': random_stretches,
    'the least sure stretch': least_sure_stretches,
    'the first in the queue': first_stretches,
    'the whole group of the first': groups,
}


@dataclass(frozen=True)
class Point:
    """Where a labeller stands after some clicks."""

    accuracy: float
    frames: int
    wrong: float


def curve(task: Task, way: Callable[[Task, random.Random], Clicks], seed: int) -> dict[int, Point]:
    """Click, and fit now and then; what is labelled to the end stays as good as it is."""
    clicks = way(task, random.Random(seed))
    points: dict[int, Point] = {}
    for count in range(1, FITS[-1] + 1):
        frames = next(clicks, None)
        if frames is not None:
            task.click(frames)
        elif any(before >= count - 1 for before in points):
            points[count] = points[count - 1]
            continue
        if (count in FITS or frames is None) and (head := task.learn(seed)) is not None:
            known = task.known != NOTHING
            wrong = float((task.known != task.truth)[known].mean())
            points[count] = Point(task.accuracy(head), int(known.sum()), wrong)
            task.look_with(head)
    return points


def recipe_for(region: str) -> Recipe:
    return read_recipe(None, [*CHANGES, *BACKBONES, f'pipeline.region={region}'])


def extractor(recipe: Recipe, weights: Path, cache: Path, every: int) -> Extractor:
    pipeline = Pipeline(recipe.pipeline, dict.fromkeys(recipe.pipeline.modalities, weights))
    return Extractor(pipeline, cache, every)


def task_of(train: Dataset, test: Dataset, recipe: Recipe, seed: int) -> Task:
    """Leave some recordings out, others for each seed, but no class."""
    classes = test.classes()
    chance = random.Random(seed)
    names = [labels[0] for labels in train.labels]
    kept = []
    for number, name in enumerate(names):
        alone = names.count(name) == 1
        if alone or chance.random() >= LEFT_OUT:
            kept.append(number)
    chosen = Dataset(tuple(train.rows[i] for i in kept), tuple(train.labels[i] for i in kept))
    data = chosen.training_data(classes)
    return Task(
        {name: values[:].numpy() for name, values in data.features.items()},
        data.labels.numpy(),
        [len(rows) for rows in chosen.rows],
        test.training_data(classes),
        recipe,
    )


def print_table(console: Console, title: str, make: Callable[[int], Task]) -> dict[str, float]:
    """Print the curves, and give the clicks to enough, both of the mean over the seeds."""
    total = len(make(0).truth)
    table = Table('one click names', *map(str, FITS), 'clicks to 90 %', 'frames', title=title)
    needed = {}
    for name, way in WAYS.items():
        runs = [curve(make(seed), way, seed) for seed in SEEDS]
        means = {n: statistics.mean(run[n].accuracy for run in runs) for n in FITS}
        enough = next((n for n in FITS if means[n] >= ENOUGH), None)
        needed[name] = math.inf if enough is None else enough
        at = enough or FITS[-1]
        frames = statistics.mean(run[at].frames for run in runs)
        wrong = statistics.mean(run[at].wrong for run in runs)
        labelled = f'{frames:.0f} of {total}' + (f', {wrong:.1%} wrong' if wrong else '')
        accuracies = [f'{100 * means[n]:.0f}' for n in FITS]
        table.add_row(name, *accuracies, 'never' if enough is None else str(enough), labelled)
    console.print(table)
    return needed


@pytest.fixture(scope='module')
def weights(shared_data: Path) -> Path:
    file = shared_data / WEIGHTS
    if not file.is_file():
        pytest.skip(f'no {file}')
    return file


def test_labels_needed_on_simulated_recordings(
    tmp_path: Path, weights: Path, console: Console
) -> None:
    settings = SimulationSettings(
        training_instances=4, test_instances=2, seconds=1.0, labelled_fraction=0
    )
    simulate(settings, tmp_path)
    recipe = recipe_for('{kind: centre, fraction: 0.5}')
    extract = extractor(recipe, weights, tmp_path / 'features', every=1)
    options = BagOptions(label_folders=True)
    parts = [bag_material([tmp_path / part], options) for part in ('train', 'test')]
    train, test = (load_dataset(part.sources, part.label_of, extract) for part in parts)
    needed = print_table(
        console,
        '% of the frames of unseen objects, 12 simulated classes, after so many clicks',
        lambda seed: task_of(train, test, recipe, seed),
    )
    assert needed['the first in the queue'] <= needed['any stretch']


def test_labels_needed_on_real_crops(
    tmp_path: Path, shared_data: Path, weights: Path, console: Console
) -> None:
    recipe = recipe_for('{kind: full}')
    material = washington_material(shared_data / 'uw_rgbd')
    extract = extractor(recipe, weights, tmp_path / 'features', every=10)
    whole = load_dataset(material.sources, material.label_of, extract)
    train, test = in_time(whole)
    print_table(
        console,
        '% of the last two fifths of each real recording, 6 classes, after so many clicks',
        lambda seed: task_of(train, test, recipe, seed),
    )


def in_time(whole: Dataset) -> tuple[Dataset, Dataset]:
    """Test on the end of each recording: four of the six classes have but one."""
    parts: list[list[Rows]] = [[], []]
    for rows in whole.rows:
        middle = round(0.6 * len(rows))
        for part, chosen in zip(parts, (slice(middle), slice(middle, None)), strict=True):
            part.append(
                replace(
                    rows,
                    times=rows.times[chosen],
                    features={name: values[chosen] for name, values in rows.features.items()},
                    thumbnails={},
                )
            )
    names = [labels[0] for labels in whole.labels]
    train, test = (
        Dataset(
            tuple(part),
            tuple((name,) * len(rows) for rows, name in zip(part, names, strict=True)),
        )
        for part in parts
    )
    return train, test
