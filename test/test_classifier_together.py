# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The observations of several cameras in one inference."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle
from uw_scene import Scene

from mm_perception.classifier import Classifier
from mm_perception.engines import EngineSettings
from mm_perception.engines.openvino_runtime import is_installed
from mm_perception.errors import BundleError, ImageError, StaleError
from mm_perception.head import Head
from mm_perception.objects.boxes import Box
from mm_perception.observation import UNKNOWN, Frame, Modality, Observation, Prediction
from mm_perception.serving.request import Answer, ClassifierSettings, Request
from mm_perception.trust import TrustSettings

RGB, DEPTH = Modality.RGB, Modality.DEPTH


def trust(_: Modality) -> bool:
    return True


def seen(number: int, *modalities: Modality) -> Observation:
    """What a camera of its own sees, no two the same."""
    random = np.random.default_rng(number)
    frames = {
        RGB: Frame(RGB, number, 'eye', random.integers(0, 256, (120, 160, 3), dtype=np.uint8)),
        DEPTH: Frame(DEPTH, number, 'eye', random.uniform(0.5, 2, (120, 160)).astype('f4')),
    }
    return Observation.of(*(frames[m] for m in modalities or Modality))


def asked(
    observation: Observation | None,
    trusted: Callable[[Modality], bool] = trust,
    settings: ClassifierSettings | None = None,
    boxes: list[Box] | None = None,
) -> Request:
    return Request(lambda: observation, boxes, trusted, settings or ClassifierSettings())


def only(answer: Answer | Exception) -> Prediction:
    assert isinstance(answer, list), answer
    (prediction,) = answer
    assert prediction is not None
    return prediction


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    usual = TrustSettings(
        false_rejection=0.01,
        novelty=dict.fromkeys(('rgbd', 'rgb', 'depth'), 1e-3),
        false_alarm=0.01,
        contradiction=1.0,
    )
    return make_bundle(tmp_path_factory.mktemp('bundles') / 'bundle', trust=usual)


@pytest.fixture(scope='module')
def classifier(bundle: Path) -> Classifier:
    made = Classifier(bundle, 'cpu')
    made.warm_up(at_once=4)
    return made


MIXED = [(RGB, DEPTH), (RGB,), (DEPTH,), (RGB, DEPTH), (DEPTH,)]
ENGINES = [EngineSettings('torch', 'float32')]
if is_installed():
    ENGINES += [EngineSettings('openvino', 'float32')]


@pytest.mark.parametrize('engine', ENGINES, ids=lambda e: f'{e.engine} {e.precision}')
def test_cameras_in_different_modes_are_labelled_as_each_would_be_alone(
    bundle: Path, engine: EngineSettings
) -> None:
    made = Classifier(bundle, 'cpu', engines=engine)
    made.warm_up(at_once=2)
    near = 1e-5
    for turned in (0, 2):  # whichever comes first
        modes = MIXED[turned:] + MIXED[:turned]
        sights = [seen(i, *modes[i]) for i in range(len(modes))]
        together = made.answer([asked(sight) for sight in sights])
        for sight, answer in zip(sights, together, strict=True):
            alone = made.classify(sight)
            said = only(answer)
            assert (said.stamp, said.mode, said.label) == (alone.stamp, alone.mode, alone.label)
            assert said.probabilities == pytest.approx(alone.probabilities, abs=near)
            assert said.novelty == pytest.approx(alone.novelty, rel=10 * near)
            assert list(said.took) == ['prepare', 'rgb', 'depth', 'classify']


@pytest.mark.parametrize('lost', [RGB, DEPTH])
def test_sensor_that_one_camera_loses_during_inference_is_in_its_label_alone_no_more(
    classifier: Classifier, lost: Modality
) -> None:
    asks = []

    def passing(modality: Modality) -> bool:
        asks.append(modality)
        return True

    def trusted(modality: Modality) -> bool:
        return modality is not lost or asks.count(lost) < 5

    trusts = (passing, trusted, trust)
    answers = classifier.answer([asked(seen(i), trusts[i]) for i in range(3)])
    assert asks.count(lost) > 20  # the others' go on being computed
    left = RGB if lost is DEPTH else DEPTH
    assert [only(answer).mode for answer in answers] == ['rgbd', str(left), 'rgbd']
    alone = classifier.classify(seen(1, left))
    assert only(answers[1]).probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_network_that_no_camera_needs_any_more_is_left_at_the_next_layer(
    classifier: Classifier,
) -> None:
    asks = []

    def trusted(modality: Modality) -> bool:
        asks.append(modality)
        return modality is RGB or asks.count(DEPTH) < 9

    answers = classifier.answer([asked(seen(i), trusted) for i in range(2)])
    assert [only(answer).mode for answer in answers] == ['rgb', 'rgb']
    assert asks.count(DEPTH) < 12  # of its network's 25 convolutions


def test_stale_and_broken_observations_cost_the_other_cameras_nothing(
    classifier: Classifier,
) -> None:
    nothing = Frame(DEPTH, 7, 'eye', np.full((120, 160), np.nan, np.float32))

    def fail() -> Observation:
        raise ZeroDivisionError

    answers = classifier.answer(
        [
            asked(None),
            asked(Observation.of(nothing)),
            Request(fail, None, trust),
            asked(seen(1), lambda _: False),
            asked(seen(2)),
        ]
    )
    kinds = [type(answer) for answer in answers]
    assert kinds == [StaleError, ImageError, ZeroDivisionError, StaleError, list]
    alone = classifier.classify(seen(2)).probabilities
    assert only(answers[-1]).probabilities == pytest.approx(alone, abs=1e-5)


def test_weights_that_give_nothing_finite_of_one_observation_leave_the_others_their_labels(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Classifier(bundle, 'cpu')
    forward = Head.forward

    def spoilt(head: Head, features: dict[str, object]) -> object:
        judgement = forward(head, features)  # type: ignore[arg-type]
        judgement.probabilities[0] = np.nan
        return judgement

    monkeypatch.setattr(Head, 'forward', spoilt)  # no features are known that do it to one alone
    first, second = made.answer([asked(seen(1)), asked(seen(2))])
    assert isinstance(first, BundleError)
    assert only(second).mode == 'rgbd'


def test_each_camera_has_its_own_say_about_what_is_unknown(classifier: Classifier) -> None:
    tolerant = ClassifierSettings(reject_unknown=False)
    strict, kind = classifier.answer([asked(seen(1)), asked(seen(1), settings=tolerant)])
    assert only(strict).label == UNKNOWN
    assert only(kind).label in classifier.classes


def test_cameras_with_objects_and_without_are_labelled_together(classifier: Classifier) -> None:
    boxes = [Box(0, 0, 0.5, 1), Box(0.4, 0.1, 0.5, 0.8)]
    several, none, one = classifier.answer(
        [asked(seen(1), boxes=boxes), asked(seen(2), boxes=[]), asked(seen(3, DEPTH))]
    )
    assert isinstance(several, list)
    assert none == []
    alone = classifier.classify_each(seen(1), boxes)
    for said, expected in zip(several, alone, strict=True):
        assert said is not None
        assert expected is not None
        assert said.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    assert only(one).mode == 'depth'
    assert classifier.answer([]) == []


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_label_of_a_real_kinects_pictures_is_another_one_in_a_batch(
    shared_data: Path, tmp_path: Path
) -> None:
    weights = shared_data / 'weights' / 'squeezenet1_0_imagenet.fp16.safetensors'
    train = [sys.executable, '-m', 'training', 'fit', '--washington', shared_data / 'uw_rgbd']
    train += ['--backbone', 'squeezenet1_0', '--backbone-weights', weights]
    train += ['--set', 'model.widths={hidden: 256, a: 128, z: 64}']
    train += ['--set', 'optimisation.learning_rate=0.001', '--set', 'optimisation.epochs=10']
    train += ['--output', tmp_path / 'model', '--cache', tmp_path / 'features']
    subprocess.run(train, check=True)
    requests = list(of_the_scene(Scene(shared_data / 'uw_scene01')))
    for engine in ENGINES:
        made = Classifier(tmp_path / 'model' / 'bundle', 'cpu', engines=engine)
        made.warm_up(at_once=4)
        alone = [made.answer([request])[0] for request in requests]
        together = [a for at in range(0, len(requests), 4) for a in made.answer(requests[at:][:4])]
        said = [(p.mode, p.label) for answer in alone for p in predictions(answer)]
        assert said == [(p.mode, p.label) for answer in together for p in predictions(answer)]
        assert len(said) > 500
        assert {mode for mode, _ in said} == {'rgbd', 'rgb', 'depth'}
        assert len({label for _, label in said}) > 3


def predictions(answer: Answer | Exception) -> list[Prediction]:
    assert isinstance(answer, list), answer
    return [each for each in answer if each is not None]


def of_the_scene(scene: Scene) -> Iterator[Request]:
    """Every object for a camera of its own; a third has lost depth, another one colour."""
    modes = itertools.cycle([(RGB, DEPTH), (RGB,), (DEPTH,)])
    for number, boxes in Scene.truth().items():
        frames = scene.observation(number).frames
        for box in boxes.values():
            yield asked(Observation.of(*(frames[m] for m in next(modes))), boxes=[box])
