# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundles import CLASSES, make_bundle

from mm_perception import pipeline, tracing
from mm_perception.classifier import Classifier
from mm_perception.engines import EngineSettings
from mm_perception.errors import BundleError, ImageError, SettingsError, StaleError
from mm_perception.features import Backbone, load_backbone
from mm_perception.objects.boxes import Box
from mm_perception.observation import UNKNOWN, Frame, Modality, Observation
from mm_perception.serving.request import ClassifierSettings
from mm_perception.trust import TrustSettings

NOISE = np.random.default_rng(0)
COLOUR = Frame(Modality.RGB, 10, 'camera', NOISE.integers(0, 256, (120, 160, 3), dtype=np.uint8))
DISTANCE = Frame(Modality.DEPTH, 12, 'camera', NOISE.uniform(0.5, 2, (120, 160)).astype('f4'))
NOTHING = Frame(Modality.DEPTH, 12, 'camera', np.full((120, 160), np.nan, np.float32))
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU here')


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp('bundles') / 'bundle')


@pytest.fixture
def classifier(bundle: Path) -> Classifier:
    made = Classifier(bundle, 'cpu')
    made.warm_up()
    return made


@pytest.mark.parametrize('name', ['m2', 'sdgm', 'ss_mvae', 'ss_hmvae'])
def test_a_bundle_of_any_model_labels_by_both_sensors_and_by_each(
    name: str, tmp_path: Path
) -> None:
    classifier = Classifier(make_bundle(tmp_path / name, name=name), 'cpu')
    classifier.warm_up()

    predictions = [
        classifier.classify(Observation.of(*frames))
        for frames in ((COLOUR, DISTANCE), (COLOUR,), (DISTANCE,))
    ]

    assert [p.mode for p in predictions] == ['rgbd', 'rgb', 'depth']
    assert all(tuple(p.probabilities) == CLASSES for p in predictions)
    assert len({tuple(p.probabilities.values()) for p in predictions}) == 3


def test_prediction_tells_what_each_stage_took(classifier: Classifier) -> None:
    both = classifier.classify(Observation.of(COLOUR, DISTANCE)).took
    assert list(both) == ['prepare', 'rgb', 'depth', 'classify']
    assert all(milliseconds > 0 for milliseconds in both.values())
    assert list(classifier.classify(Observation.of(DISTANCE)).took) == [
        *('prepare', 'depth', 'classify'),
    ]


@pytest.mark.parametrize(
    ('frames', 'mode'), [((COLOUR, DISTANCE), 'rgbd'), ((COLOUR,), 'rgb'), ((DISTANCE,), 'depth')]
)
def test_every_mode_is_labelled(
    classifier: Classifier, frames: tuple[Frame, ...], mode: str
) -> None:
    prediction = classifier.classify(Observation.of(*frames))
    assert prediction.mode == mode
    assert prediction.stamp == max(frame.stamp for frame in frames)
    assert tuple(prediction.probabilities) == CLASSES
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.probabilities[prediction.label] == prediction.confidence
    assert prediction == classifier.classify(Observation.of(*frames))


def test_modes_are_different_classifiers(classifier: Classifier) -> None:
    answers = {
        tuple(classifier.classify(Observation.of(*frames)).probabilities.values())
        for frames in ((COLOUR, DISTANCE), (COLOUR,), (DISTANCE,))
    }
    assert len(answers) == 3


def test_modality_that_shows_nothing_is_not_claimed_as_used(classifier: Classifier) -> None:
    prediction = classifier.classify(Observation.of(COLOUR, NOTHING))
    alone = classifier.classify(Observation.of(COLOUR))
    assert prediction.mode == 'rgb'
    assert prediction.probabilities == alone.probabilities


def test_no_label_is_made_of_nothing(classifier: Classifier) -> None:
    with pytest.raises(ImageError):
        classifier.classify(Observation.of(NOTHING))


@pytest.mark.parametrize('lost', [Modality.RGB, Modality.DEPTH])
def test_sensor_lost_during_inference_is_not_in_the_label_and_costs_one_layer(
    classifier: Classifier, lost: Modality
) -> None:
    asked: list[Modality] = []

    def trusted(modality: Modality) -> bool:
        asked.append(modality)
        return modality is not lost or asked.count(lost) < 5

    prediction = classifier.classify(Observation.of(COLOUR, DISTANCE), trusted)
    left = COLOUR if lost is Modality.DEPTH else DISTANCE
    assert prediction.mode == str(left.modality)
    assert prediction.probabilities == classifier.classify(Observation.of(left)).probabilities
    assert asked.count(lost) == 5  # of its network's 25 convolutions no other was computed


def test_sensor_lost_after_its_features_is_not_in_the_label(classifier: Classifier) -> None:
    seen: list[Modality] = []

    def trusted(modality: Modality) -> bool:
        seen.append(modality)
        return modality is not Modality.RGB or Modality.DEPTH not in seen

    assert classifier.classify(Observation.of(COLOUR, DISTANCE), trusted).mode == 'depth'


def test_no_label_is_made_once_every_sensor_is_lost(classifier: Classifier) -> None:
    with pytest.raises(StaleError):
        classifier.classify(Observation.of(COLOUR, DISTANCE), lambda _: False)
    assert classifier.classify(Observation.of(COLOUR, DISTANCE)).mode == 'rgbd'


@pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU is here')
def test_gpu_that_is_not_there_is_refused_when_asked_for(bundle: Path) -> None:
    with pytest.raises(SettingsError, match='device'):
        Classifier(bundle, 'cuda')
    assert Classifier(bundle, 'auto').device.type == 'cpu'


@GPU
def test_gpu_gives_the_labels_of_the_cpu(bundle: Path, classifier: Classifier) -> None:
    on_gpu = Classifier(bundle, 'cuda')
    on_gpu.warm_up()
    assert on_gpu.device.type == 'cuda'
    seen = Observation.of(COLOUR, DISTANCE)
    cpu, gpu = classifier.classify(seen), on_gpu.classify(seen)
    assert cpu.label == gpu.label
    assert list(cpu.probabilities.values()) == pytest.approx(
        list(gpu.probabilities.values()), abs=1e-2
    )
    on_gpu.close()
    assert on_gpu.device.type == 'cpu'


def test_lost_gpu_is_left_for_the_cpu_without_waiting_for_the_inference_that_it_failed(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise RuntimeError('CUDA error: unspecified launch failure')

    monkeypatch.setattr(tracing, '_PATIENCE', 3600.0)
    for network in classifier.pipeline.backbones.values():
        network.register_forward_pre_hook(lost)
    assert classifier.classify(Observation.of(COLOUR, DISTANCE)).mode == 'rgbd'
    assert 'the GPU is lost' in (classifier.fault or '')


def test_gpu_too_full_for_the_networks_leaves_them_on_the_cpu(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Classifier(bundle, 'cpu')
    made._wanted = torch.device('meta')  # a device other than the CPU that any machine has
    to = made.pipeline.to
    asked: list[str] = []

    def full(device: torch.device) -> None:
        asked.append(device.type)
        if device.type != 'cpu':
            raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')
        to(device)

    monkeypatch.setattr(made.pipeline, 'to', full)
    made.warm_up()
    assert asked == ['meta', 'cpu']
    assert 'running on the CPU' in (made.fault or '')
    assert made.classify(Observation.of(COLOUR)).mode == 'rgb'


@pytest.mark.parametrize('when', ['warm_up', 'classify'])
def test_out_of_gpu_memory_goes_on_on_the_cpu_and_says_so(bundle: Path, when: str) -> None:
    made = Classifier(bundle, 'cpu')
    expected = made.classify(Observation.of(COLOUR)).probabilities
    # What the driver raises when an allocation fails, raised in its place by the network itself.
    network = made.pipeline.backbones[Modality.RGB]
    full = [torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')]

    def exhausted(*_: object) -> None:
        if full:
            raise full.pop()

    if when == 'classify':
        made.warm_up()
    network.register_forward_pre_hook(exhausted)
    if when == 'warm_up':
        made.warm_up()
    prediction = made.classify(Observation.of(COLOUR))
    assert not full
    assert prediction.probabilities == pytest.approx(expected)
    assert made.device.type == 'cpu'
    assert made.fault is not None
    assert 'running on the CPU' in made.fault


def test_backbones_are_let_go_of_once_another_engine_computes(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[weakref.ref[Backbone]] = []

    def watched(*given: Any) -> Backbone:
        built.append(weakref.ref(backbone := load_backbone(*given)))
        return backbone

    monkeypatch.setattr(pipeline, 'load_backbone', watched)
    made = Classifier(bundle, 'cpu', engines=EngineSettings('torch', 'bfloat16'))
    gc.collect()
    assert [each() for each in built] == [None]
    for _ in range(2):  # it may be closed, and warmed up again, without them
        made.warm_up()
        assert made.engine == 'torch bfloat16'
        assert made.classify(Observation.of(COLOUR, DISTANCE)).mode == 'rgbd'
        made.close()


def trusting(path: Path, novelty: float, contradiction: float) -> Classifier:
    usual = TrustSettings(
        false_rejection=0.01,
        novelty=dict.fromkeys(('rgbd', 'rgb', 'depth'), novelty),
        false_alarm=0.01,
        contradiction=contradiction,
    )
    made = Classifier(make_bundle(path / 'trusting', trust=usual), 'cpu')
    made.warm_up()
    return made


@pytest.mark.parametrize(
    ('frames', 'mode'), [((COLOUR, DISTANCE), 'rgbd'), ((COLOUR,), 'rgb'), ((DISTANCE,), 'depth')]
)
def test_what_is_unlike_anything_learned_is_unknown_in_every_mode(
    tmp_path: Path, frames: tuple[Frame, ...], mode: str
) -> None:
    strict = trusting(tmp_path / 'strict', novelty=1e-3, contradiction=1.0)
    kind = trusting(tmp_path / 'kind', novelty=1e3, contradiction=1.0)

    rejected = strict.classify(Observation.of(*frames))
    accepted = kind.classify(Observation.of(*frames))

    assert (rejected.mode, rejected.label) == (mode, UNKNOWN)
    assert rejected.novelty is not None
    assert accepted.novelty is not None
    assert rejected.novelty > 1 > accepted.novelty
    assert accepted.label == max(accepted.probabilities, key=accepted.probabilities.__getitem__)
    assert rejected.probabilities == accepted.probabilities
    tolerant = ClassifierSettings(reject_unknown=False)
    said = strict.classify(Observation.of(*frames), settings=tolerant)
    assert said.label == accepted.label


def test_eyes_disagree_in_multiples_of_what_is_usual_and_one_alone_never(tmp_path: Path) -> None:
    near = trusting(tmp_path / 'near', novelty=1.0, contradiction=1e-3)
    far = trusting(tmp_path / 'far', novelty=1.0, contradiction=1e-2)
    one, other = (made.classify(Observation.of(COLOUR, DISTANCE)) for made in (near, far))
    assert one.contradiction is not None
    assert other.contradiction is not None
    assert one.contradiction == pytest.approx(10 * other.contradiction)
    assert near.classify(Observation.of(COLOUR)).contradiction is None


def test_bundle_without_thresholds_calls_nothing_unknown(classifier: Classifier) -> None:
    prediction = classifier.classify(Observation.of(COLOUR, DISTANCE))
    assert prediction.label in CLASSES
    assert (prediction.novelty, prediction.contradiction) == (None, None)


def test_weights_that_give_no_finite_probability_give_no_label(classifier: Classifier) -> None:
    for tensor in classifier.bundle.head.state_dict().values():
        if tensor.is_floating_point():
            tensor.fill_(1e38)
    with pytest.raises(BundleError, match='no finite probability'):
        classifier.classify(Observation.of(COLOUR, DISTANCE))


LEFT, RIGHT = Box(0, 0, 0.5, 1), Box(0.5, 0, 0.5, 1)
HALF = Frame(Modality.DEPTH, 12, 'camera', DISTANCE.image.copy())
HALF.image[:, 80:] = np.nan


def alone(classifier: Classifier, box: Box, *frames: Frame) -> dict[str, float]:
    prediction = classifier.classify_each(Observation.of(*frames), [box])[0]
    assert prediction is not None
    return dict(prediction.probabilities)


def test_several_objects_are_labelled_as_each_would_be_alone(classifier: Classifier) -> None:
    boxes = [LEFT, RIGHT, Box(0.2, 0.2, 0.5, 0.5)]
    together = classifier.classify_each(Observation.of(COLOUR, DISTANCE), boxes)
    assert len({tuple(p.probabilities.values()) for p in together if p}) == 3
    for box, prediction in zip(boxes, together, strict=True):
        assert prediction is not None
        assert prediction.mode == 'rgbd'
        assert prediction.probabilities == pytest.approx(
            alone(classifier, box, COLOUR, DISTANCE), abs=1e-4
        )


def test_object_without_depth_is_labelled_from_colour_beside_one_that_has_it(
    classifier: Classifier,
) -> None:
    first, second = classifier.classify_each(Observation.of(COLOUR, HALF), [RIGHT, LEFT])
    assert first is not None
    assert second is not None
    assert (first.mode, second.mode) == ('rgb', 'rgbd')
    assert first.probabilities == pytest.approx(alone(classifier, RIGHT, COLOUR), abs=1e-4)
    assert second.probabilities == pytest.approx(alone(classifier, LEFT, COLOUR, HALF), abs=1e-4)


def test_object_that_no_sensor_shows_has_no_label_and_the_others_do(
    classifier: Classifier,
) -> None:
    assert classifier.classify_each(Observation.of(HALF), [RIGHT]) == [None]
    nothing, found = classifier.classify_each(Observation.of(HALF), [RIGHT, LEFT])
    assert nothing is None
    assert found is not None
    assert found.mode == 'depth'
    assert classifier.classify_each(Observation.of(COLOUR), []) == []


def test_sensor_lost_during_inference_is_in_no_objects_label(classifier: Classifier) -> None:
    def lost(which: Modality) -> Callable[[Modality], bool]:
        asked: list[Modality] = []

        def trusted(modality: Modality) -> bool:
            asked.append(modality)
            return modality is not which or asked.count(which) < 5

        return trusted

    boxes, seen = [RIGHT, LEFT], Observation.of(COLOUR, HALF)
    without_depth = classifier.classify_each(seen, boxes, lost(Modality.DEPTH))
    assert [p and p.mode for p in without_depth] == ['rgb', 'rgb']
    without_colour = classifier.classify_each(seen, boxes, lost(Modality.RGB))
    assert [p and p.mode for p in without_colour] == [None, 'depth']
    with pytest.raises(StaleError):
        classifier.classify_each(seen, boxes, lambda _: False)
