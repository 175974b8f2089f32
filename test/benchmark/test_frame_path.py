# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a frame costs on its way from message to label, stage by stage.

``make bench`` prints each group with its ratios in brackets: the machine's own speed cancels out.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from bundles import warm_classifier
from pytest_benchmark.fixture import BenchmarkFixture
from sensor_msgs.msg import CompressedImage, Image

from mm_perception.classifier import Classifier
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.health import NS, SensorHealth
from mm_perception.images import fill_image, frame_from_message
from mm_perception.observation import Modality, Observation
from mm_perception.pairing import Pairing, PairingSettings

RGB, DEPTH = Modality.RGB, Modality.DEPTH
NOISE = np.random.default_rng(0)
SMOOTH = cv2.GaussianBlur(NOISE.integers(0, 256, (480, 640, 3), dtype=np.uint8), (0, 0), 3)
METRES = cv2.GaussianBlur(NOISE.uniform(0.5, 2, (480, 640)).astype(np.float32), (0, 0), 5)
MILLIMETRES = np.where(NOISE.random(METRES.shape) < 0.1, 0, METRES * 1000).astype(np.uint16)


def message(image: np.ndarray, encoding: str) -> Image:
    made = Image()
    fill_image(made, image, encoding)
    return made


def jpeg() -> CompressedImage:
    return CompressedImage(
        format='rgb8; jpeg compressed bgr8', data=cv2.imencode('.jpg', SMOOTH)[1].tobytes()
    )


MESSAGES = {
    'rgb8': (message(SMOOTH, 'rgb8'), RGB),
    'bgr8': (message(SMOOTH, 'bgr8'), RGB),
    'jpeg': (jpeg(), RGB),
    '16UC1': (message(MILLIMETRES, '16UC1'), DEPTH),
    '32FC1': (message(METRES, '32FC1'), DEPTH),
}


@pytest.fixture(scope='module')
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return warm_classifier(tmp_path_factory.mktemp('bundle'))


@pytest.fixture
def observation() -> Observation:
    return Observation.of(
        *(frame_from_message(*MESSAGES[encoding], NS) for encoding in ('rgb8', '16UC1'))
    )


@pytest.mark.benchmark(group='1 message to frame, VGA')
@pytest.mark.parametrize('encoding', MESSAGES)
def test_message_to_frame(benchmark: BenchmarkFixture, encoding: str) -> None:
    frame = benchmark(frame_from_message, *MESSAGES[encoding], NS)
    assert frame.image.shape[:2] == (480, 640)


@pytest.mark.benchmark(group='2 frame to observation: health and pairing')
def test_health_and_pairing(benchmark: BenchmarkFixture, observation: Observation) -> None:
    frames = observation.frames

    def second() -> Any:
        pairing = Pairing(PairingSettings(), {m: SensorHealth(m) for m in Modality})
        pairing.add(frames[RGB], NS)
        return pairing.add(frames[DEPTH], NS)

    assert benchmark(second).mode == 'rgbd'


@pytest.mark.benchmark(group='3 observation to network input')
def test_prepare(
    benchmark: BenchmarkFixture, classifier: Classifier, observation: Observation
) -> None:
    assert len(benchmark(classifier.pipeline.prepare, observation)) == 2


@pytest.mark.benchmark(group='4 network input to features, one image')
@pytest.mark.parametrize('name', ['squeezenet1_0', 'alexnet', 'resnet18', 'vgg16'])
def test_features(benchmark: BenchmarkFixture, name: str) -> None:
    backbone = load_backbone(BackboneSettings(name=name, weights='random'))
    image = torch.zeros(1, 148, 148, 3, dtype=torch.uint8)
    with torch.inference_mode():
        assert benchmark(backbone, image).shape[0] == 1


@pytest.mark.benchmark(group='5 observation to label, SqueezeNet')
@pytest.mark.parametrize('mode', ['rgbd', 'rgb', 'depth'])
def test_classify(
    benchmark: BenchmarkFixture, classifier: Classifier, observation: Observation, mode: str
) -> None:
    used = [frame for m, frame in observation.frames.items() if mode in ('rgbd', str(m))]
    assert benchmark(classifier.classify, Observation.of(*used)).mode == mode


@pytest.mark.benchmark(group='6 array to message, VGA rgb8')
@pytest.mark.parametrize('how', ['fill_image', 'assigning the array'])
def test_fill_message(benchmark: BenchmarkFixture, how: str) -> None:
    made = Image()

    def assign() -> None:
        made.data = SMOOTH.reshape(-1)

    benchmark(assign if how != 'fill_image' else lambda: fill_image(made, SMOOTH, 'rgb8'))
    assert len(made.data) == SMOOTH.size
