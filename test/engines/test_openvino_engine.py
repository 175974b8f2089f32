# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a bundle holds for OpenVINO may be anything, behind checksums that fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from bundles import make_bundle
from safetensors.torch import save_file
from torch import Tensor

from mm_perception.bundle import Bundle, save_bundle
from mm_perception.classifier import Classifier
from mm_perception.engines import EngineSettings, judge_with, made_pictures, openvino_engine
from mm_perception.engines.openvino_engine import OpenVinoEngine
from mm_perception.errors import BundleError
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.head import Head, Judge, Judgement
from mm_perception.manifest import FRAMES
from mm_perception.models import ModelSettings, Widths
from mm_perception.observation import Modality

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


@pytest.mark.skipif(not openvino_engine.is_installed(), reason='OpenVINO is not installed')
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


@pytest.mark.skipif(not openvino_engine.is_installed(), reason='OpenVINO is not installed')
def test_bundle_whose_network_is_bad_labels_with_another_engine(tmp_path: Path) -> None:
    path = lying(tmp_path, b'<net', {'rgb': GOOD, 'depth': OTHER})
    told: list[str] = []
    classifier = Classifier(path, 'cpu', engines=EngineSettings(), said=told.append)
    classifier.warm_up()
    assert 'int8' not in classifier.engine
    assert any(line.startswith('openvino int8: not to be had: ') for line in told)


def untrained(name: str, modalities: tuple[str, ...], *, trust: bool = False) -> Head:
    settings = ModelSettings(
        name=name,
        modalities=dict.fromkeys(modalities, 512),
        classes=3,
        widths=Widths(hidden=8, a=4, z=4),
    )
    return Head(settings, trust=trust).eval().requires_grad_(False)


def judged(head: Head) -> tuple[Judge, list[str]]:
    """Have OpenVINO judge in float32, and give what was told of it."""
    names = [Modality(name) for name in head.model.modalities]
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    engine = OpenVinoEngine(dict.fromkeys(names, backbone), 'float32', size=64, threads=2)
    told: list[str] = []
    return judge_with(engine, head, made_pictures(names, 64), told.append), told


@pytest.mark.skipif(not openvino_engine.is_installed(), reason='OpenVINO is not installed')
@pytest.mark.parametrize('trust', [False, True])
@pytest.mark.parametrize('name', ['ss_mvae', 'ss_hmvae', 'ss_hmvae_kl'])
def test_head_judges_by_openvino_as_by_torch_in_every_mode_and_of_any_number(
    name: str, trust: bool
) -> None:
    head = untrained(name, ('rgb', 'depth'), trust=trust)
    judge, told = judged(head)
    assert (told, judge is head) == ([], False)
    for count in (1, 3, 2):
        features = {m: 4 * torch.rand(count, 512) for m in ('rgb', 'depth')}
        for mode in ({'rgb', 'depth'}, {'rgb'}, {'depth'}):
            given = {m: values for m, values in features.items() if m in mode}
            with torch.inference_mode():
                expected, found = head(given), judge(given)
            torch.testing.assert_close(found.stacked(), expected.stacked(), equal_nan=True)
            assert (found.novelty is None) == (expected.novelty is None)
            assert (found.contradiction is None) == (expected.contradiction is None)


@pytest.mark.skipif(not openvino_engine.is_installed(), reason='OpenVINO is not installed')
@pytest.mark.parametrize('name', ['m2', 'sdgm'])
def test_head_that_openvino_cannot_have_or_judge_by_is_torchs(name: str) -> None:
    head = untrained(name, ('rgb',))
    judge, told = judged(head)
    assert (judge is head) == bool(told)
    features = {'rgb': 4 * torch.rand(3, 512)}
    with torch.inference_mode():
        torch.testing.assert_close(judge(features).probabilities, head(features).probabilities)


@pytest.mark.skipif(not openvino_engine.is_installed(), reason='OpenVINO is not installed')
@pytest.mark.parametrize('wrong', [0.2, float('nan')])
def test_head_that_judges_otherwise_by_openvino_is_left_to_torch(
    monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    right = openvino_engine.OpenVinoHead.__call__

    def otherwise(self: Any, features: Mapping[str, Tensor]) -> Judgement:
        found = right(self, features)
        return Judgement(found.probabilities + wrong, found.novelty, found.contradiction)

    monkeypatch.setattr(openvino_engine.OpenVinoHead, '__call__', otherwise)
    head = untrained('ss_hmvae_kl', ('rgb', 'depth'), trust=True)
    judge, told = judged(head)
    assert judge is head
    assert told == ['openvino float32: judges otherwise than torch, which therefore does it']
