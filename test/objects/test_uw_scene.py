# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What doc/objects.md says of a real Kinect's table; ``-s`` prints its figures."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from uw_scene import CAMERA, LEARNED, PERIOD, Scene

from mm_perception.classifier import Classifier
from mm_perception.health import NS
from mm_perception.objects.boxes import Box
from mm_perception.objects.finding import ObjectFinder, SceneObject
from mm_perception.objects.tabletop import TabletopSettings, find_objects
from mm_perception.observation import Modality, Observation

FOUND = 0.5  # intersection over union with where it is
SHARE = 0.95  # of the frames in which an object is visible
SECOND = range(240, 270)  # of the frame numbers, in which depth is lost


@dataclass
class Score:
    """How often each object was found, and as whom.

    Attributes:
        overlaps: By object, in each frame in which it is visible.
        ids: By object, in each frame in which it was found.
        others: Boxes that are no object's.

    """

    overlaps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    others: int = 0

    def add(self, truth: Mapping[str, Box], found: Mapping[int, Box]) -> dict[str, int]:
        """Take a frame; give who was found as which id."""
        here: dict[str, int] = {}
        for name, box in truth.items():
            best = max(found, key=lambda number: box.overlap(found[number]), default=None)
            overlap = 0.0 if best is None else box.overlap(found[best])
            self.overlaps[name].append(overlap)
            if best is not None and overlap >= FOUND:
                here[name] = best
                self.ids[name].append(best)
        self.others += len(set(found) - set(here.values()))
        return here

    @property
    def shares(self) -> dict[str, float]:
        return {name: float(np.mean(np.array(o) >= FOUND)) for name, o in self.overlaps.items()}

    def show(self, what: str) -> None:
        print(f'\n{what}: {self.others} boxes of no object')  # noqa: T201 - for doc/objects.md
        for name, overlaps in self.overlaps.items():
            print(  # noqa: T201 - for doc/objects.md
                f'{name:12} found in {self.shares[name]:6.1%} of {len(overlaps)} frames, '
                f'mean IoU {np.mean(overlaps):.2f}'
            )


@pytest.fixture(scope='module')
def scene(shared_data: Path) -> Scene:
    folder = shared_data / 'uw_scene01'
    if not folder.is_dir():
        pytest.skip(f'{folder} is not there')
    return Scene(folder)


def blinded(number: int, seen: Observation, when: Collection[int]) -> Observation:
    return Observation.of(seen.frames[Modality.RGB]) if number in when else seen


def by_id(objects: list[SceneObject]) -> dict[int, Box]:
    return {each.id: each.box for each in objects}


@dataclass(frozen=True)
class Scores:
    """Of one pass through the scene.

    Attributes:
        alone: Each frame by itself.
        took: Seconds of processor that this took, by frame.
        followed: From frame to frame.
        without: Likewise, in the second without depth.
        after: In the frames after it.
        carried: How many boxes of that second were carried, and how many there were.

    """

    alone: Score = field(default_factory=Score)
    took: list[float] = field(default_factory=list)
    followed: Score = field(default_factory=Score)
    without: Score = field(default_factory=Score)
    after: Score = field(default_factory=Score)
    carried: Counter[bool] = field(default_factory=Counter)


@pytest.fixture(scope='module')
def scores(scene: Scene) -> Scores:
    scores, finder, blind = Scores(), ObjectFinder(), ObjectFinder()
    for number, truth in scene.truth().items():
        seen = scene.observation(number)
        depth = np.asarray(seen.frames[Modality.DEPTH].image, np.float32)
        start = time.process_time()
        boxes = find_objects(depth, TabletopSettings(), CAMERA)
        scores.took.append(time.process_time() - start)
        scores.alone.add(truth, dict(enumerate(boxes)))
        scores.followed.add(truth, by_id(finder.find(seen)))
        found = blind.find(blinded(number, seen, SECOND))
        if number in SECOND:
            scores.without.add(truth, by_id(found))
            scores.carried.update(each.carried for each in found)
        elif number >= SECOND.stop:
            scores.after.add(truth, by_id(found))
    return scores


def test_each_of_five_objects_is_found_in_95_percent_of_the_frames_by_itself(
    scores: Scores,
) -> None:
    scores.alone.show(f'each frame by itself, {1e3 * np.median(scores.took):.1f} ms of processor')
    assert len(scores.alone.shares) == 5
    assert min(scores.alone.shares.values()) >= SHARE
    assert scores.alone.others <= 0.1 * sum(map(len, scores.alone.overlaps.values()))


def test_each_of_five_objects_keeps_its_identity(scores: Scores) -> None:
    scores.followed.show('followed')
    assert min(scores.followed.shares.values()) >= SHARE
    assert {len(set(ids)) for ids in scores.followed.ids.values()} == {1}


def test_boxes_are_carried_on_for_a_second_without_depth(scores: Scores) -> None:
    assert len(SECOND) * PERIOD == pytest.approx(NS)
    scores.without.show('without depth')
    scores.after.show('after that')
    assert set(scores.carried) == {True}
    assert min(scores.without.shares.values()) >= 0.8
    for name, ids in scores.without.ids.items():
        assert set(ids) == set(scores.after.ids[name])


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_labels_of_a_bundle_that_learned_crops_are_steady(
    scene: Scene, shared_data: Path, tmp_path: Path
) -> None:
    """Its crops of four of them were cut from this very scene: steadiness, not accuracy."""
    weights = shared_data / 'weights' / 'squeezenet1_0_imagenet.fp16.safetensors'
    train = [sys.executable, '-m', 'training', 'fit', '--washington', shared_data / 'uw_rgbd']
    train += ['--backbone', 'squeezenet1_0', '--backbone-weights', weights]
    train += ['--set', 'model.widths={hidden: 256, a: 128, z: 64}']
    train += ['--set', 'optimisation.learning_rate=0.001', '--set', 'optimisation.epochs=60']
    train += ['--output', tmp_path / 'model', '--cache', tmp_path / 'features']
    subprocess.run(train, check=True)
    classifier = Classifier(tmp_path / 'model' / 'bundle', 'cpu')
    for what, when in (('both', ()), ('a second without depth', SECOND)):
        labels = labels_of(classifier, scene, when)
        print(f'\n{what}')  # noqa: T201 - for doc/objects.md
        for name, said in labels.items():
            changes = sum(a != b for a, b in itertools.pairwise(said))
            print(f'{name:12} {changes} changes, {Counter(said).most_common()}')  # noqa: T201
            if name in LEARNED:
                assert changes <= 0.05 * len(said)
                assert Counter(said).most_common(1)[0][0] == LEARNED[name]


def labels_of(classifier: Classifier, scene: Scene, blind: Collection[int]) -> dict[str, list[str]]:
    """Label every object of every frame, as the node does."""
    truth, finder, score = Scene.truth(), ObjectFinder(), Score()
    labels: dict[str, list[str]] = defaultdict(list)
    for number in truth:
        seen = blinded(number, scene.observation(number), blind)
        found = finder.find(seen)
        said = classifier.classify_each(seen, [each.view for each in found])
        of_id = {o.id: p.label for o, p in zip(found, said, strict=True) if p is not None}
        for name, number_of in score.add(truth[number], by_id(found)).items():
            labels[name].append(of_id[number_of])
    return labels
