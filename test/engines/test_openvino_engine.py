# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a bundle holds for OpenVINO may be anything, behind checksums that fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from bundles import make_bundle
from safetensors.torch import save_file
from torch import Tensor

from mm_perception.bundle import Bundle, save_bundle
from mm_perception.classifier import Classifier
from mm_perception.engines import EngineSettings, openvino_engine
from mm_perception.errors import BundleError
from mm_perception.manifest import FRAMES
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
