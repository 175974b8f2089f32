# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO's networks run at once and can be left; what a bundle holds for it may be anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundles import make_bundle
from safetensors.torch import save_file
from torch import Tensor

from mm_perception.bundle import Bundle, save_bundle
from mm_perception.classifier import Classifier
from mm_perception.engines import EngineSettings, made_pictures, openvino_runtime, relative_error
from mm_perception.engines.openvino_engine import OpenVinoEngine
from mm_perception.errors import BundleError
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.manifest import FRAMES
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.trust import TrustSettings

openvino = pytest.mark.skipif(
    not openvino_runtime.is_installed(), reason='OpenVINO is not installed'
)
NOISE = np.random.default_rng(0)
SEEN = Observation.of(
    Frame(Modality.RGB, 1, 'eye', NOISE.integers(0, 256, (60, 80, 3), dtype=np.uint8)),
    Frame(Modality.DEPTH, 1, 'eye', NOISE.uniform(0.5, 2, (60, 80)).astype(np.float32)),
)
INT8 = EngineSettings('openvino', 'int8')
GOOD, OTHER = (torch.zeros(2, 148, 148, 3, dtype=torch.uint8) for _ in range(2))


def lying(tmp_path: Path, network: bytes, frames: dict[str, Tensor]) -> Path:
    """Make a bundle whose int8 network is anything."""
    path = make_bundle(tmp_path / 'bundle')
    bundle = Bundle.load(path)
    known = bundle.manifest.model_dump(mode='json', exclude={'files', 'backbone_files'})
    known['quantized'] = {
        'networks': {str(m): 'int8.xml' for m in Modality},
        'error': 0.0,
        'agreement': {},
        'accuracy': {},
    }
    files = [tmp_path / 'int8.xml', tmp_path / 'int8.bin', tmp_path / FRAMES]
    for file in files[:2]:
        file.write_bytes(network)
    save_file(frames, files[2])
    save_bundle(path, bundle.head, known, {}, files)
    return path


@pytest.mark.parametrize(
    'frames',
    [
        {},
        {'rgb': GOOD},
        {'rgb': GOOD, 'depth': GOOD[:0]},
        {'rgb': GOOD, 'depth': GOOD.float()},
        {'rgb': GOOD, 'depth': GOOD[:, :, :, :2].contiguous()},
        {'rgb': GOOD, 'depth': GOOD[0, 0, 0, 0].clone()},
        {'rgb': GOOD, 'sonar': OTHER},
    ],
)
def test_frames_that_are_no_frames_are_refused(tmp_path: Path, frames: dict[str, Tensor]) -> None:
    path = lying(tmp_path, b'', frames)
    with pytest.raises(BundleError, match=FRAMES):
        Bundle.load(path).frames()


@openvino
@pytest.mark.parametrize(
    'network',
    [b'', b'<net', b'<net name="a" version="11"></net>', b'\0' * 99],
    ids=['empty', 'cut off', 'nothing in it', 'zeros'],
)
def test_network_that_is_none_is_refused_in_one_line(tmp_path: Path, network: bytes) -> None:
    path = lying(tmp_path, network, {'rgb': GOOD, 'depth': OTHER})
    with pytest.raises(BundleError, match=r'int8\.xml') as refused:
        Classifier(path, 'cpu', engines=INT8)
    assert '\n' not in str(refused.value)


@openvino
def test_bundle_whose_network_is_bad_labels_with_another_engine(tmp_path: Path) -> None:
    path = lying(tmp_path, b'<net', {'rgb': GOOD, 'depth': OTHER})
    told: list[str] = []
    classifier = Classifier(path, 'cpu', engines=EngineSettings(), said=told.append)
    classifier.warm_up()
    assert 'int8' not in classifier.engine
    assert any(line.startswith('openvino int8: not to be had: ') for line in told)


@pytest.fixture(scope='module')
def engine() -> OpenVinoEngine:
    own = {
        modality: load_backbone(BackboneSettings(name='alexnet', weights='random', seed=seed))
        for seed, modality in enumerate(Modality)
    }
    return OpenVinoEngine(own, 'float32', size=64, threads=2)


class Asked:
    """A request that counts, and can fail where the real one would."""

    def __init__(self, request: Any, *, fails: bool = False) -> None:
        self.request, self.fails, self.begun, self.cancelled = request, fails, 0, 0

    def start_async(self, *given: Any, **how: Any) -> None:
        self.begun += 1
        self.request.start_async(*given, **how)

    def wait_for(self, milliseconds: int) -> bool:
        if self.fails:
            raise RuntimeError('out of memory')
        return bool(self.request.wait_for(milliseconds))

    def cancel(self) -> None:
        self.cancelled += 1
        self.request.cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.request, name)


def watched(engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch, name: str) -> dict[Any, Asked]:
    asked = {modality: Asked(each) for modality, each in getattr(engine, name).items()}
    monkeypatch.setattr(engine, name, asked)
    return asked


@openvino
def test_two_networks_run_at_once_and_one_alone_or_of_other_number_has_all_processors(
    engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = made_pictures(Modality, 64)
    beside, alone = watched(engine, monkeypatch, '_beside'), watched(engine, monkeypatch, '_alone')

    def begun() -> list[int]:
        return [each.begun for each in (*beside.values(), *alone.values())]

    at_once = engine(images)
    assert begun() == [1, 1, 0, 0]
    assert set(engine.took) == set(Modality)
    one_by_one = {m: engine({m: images[m]})[m] for m in Modality}
    assert begun() == [1, 1, 1, 1]
    assert relative_error(at_once, one_by_one) < 1e-5
    engine({Modality.RGB: images[Modality.RGB], Modality.DEPTH: images[Modality.DEPTH][:1]})
    assert begun() == [1, 1, 2, 2]


@openvino
@pytest.mark.parametrize('modalities', [1, 2])
def test_three_processors_are_not_halved(modalities: int) -> None:
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    chosen = [*Modality][:modalities]
    engine = OpenVinoEngine(dict.fromkeys(chosen, backbone), 'float32', size=64, threads=3)
    assert not engine._beside
    assert set(engine(made_pictures(chosen, 64))) == set(chosen)


@openvino
@pytest.mark.parametrize('name', ['_beside', '_alone'])
def test_network_that_is_not_wanted_any_more_is_cancelled(
    engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    images = {m: np.repeat(each, 16, axis=0) for m, each in made_pictures(Modality, 64).items()}
    asked = watched(engine, monkeypatch, name)
    if name == '_alone':
        images = {Modality.DEPTH: images[Modality.DEPTH]}

    def wanted(modality: Modality) -> bool:
        return modality is Modality.RGB or not asked[modality].begun

    assert set(engine(images, wanted)) == {*images} - {Modality.DEPTH}
    assert [each.cancelled for each in asked.values()] == [m is Modality.DEPTH for m in asked]
    assert set(engine(images)) == {*images}  # and is free again


@openvino
def test_network_that_fails_leaves_no_other_busy(
    engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = made_pictures(Modality, 64)
    expected = engine(images)
    asked = watched(engine, monkeypatch, '_beside')
    for each in asked.values():
        each.fails = True
        with pytest.raises(RuntimeError, match='out of memory'):
            engine(images)
        each.fails = False
        assert relative_error(engine(images), expected) < 1e-5


@openvino
def test_classifier_that_openvino_judges_for_labels_again_after_it_was_closed(
    tmp_path: Path,
) -> None:
    novelty = dict.fromkeys(('rgbd', 'rgb', 'depth'), 1.0)
    usual = TrustSettings(false_rejection=0.01, novelty=novelty, false_alarm=0.01, contradiction=1)
    path = make_bundle(tmp_path / 'bundle', trust=usual)
    told: list[str] = []
    small = Classifier(
        path, 'cpu', engines=EngineSettings('openvino', 'bfloat16'), said=told.append
    )
    plain = Classifier(path, 'cpu')
    for _ in range(2):
        for classifier in (small, plain):
            classifier.warm_up(2)
        found, expected = (classifier.classify(SEEN) for classifier in (small, plain))
        assert found.probabilities == pytest.approx(expected.probabilities, abs=0.02)
        assert found.novelty == pytest.approx(expected.novelty, rel=0.05)
        small.close()
    assert not told
    assert all(each.is_meta for each in small.bundle.head.parameters())
