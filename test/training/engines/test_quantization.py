# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is quantized, and what is left as it is, by how far its features are off."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_perception.engines import (
    Candidate,
    Images,
    TorchEngine,
    Workload,
    build,
    made_pictures,
    one_by_one,
    relative_error,
)
from mm_perception.engines.openvino_runtime import import_openvino
from mm_perception.features import Backbone, BackboneSettings, load_backbone
from mm_perception.observation import Modality
from training.engines.quantization import quantize

pytest.importorskip('nncf', reason='NNCF is not installed')

RGB = Modality.RGB
SIZE = 64


@pytest.fixture(scope='module')
def backbone() -> Backbone:
    return load_backbone(BackboneSettings(name='alexnet', layer='features', weights='random'))


@pytest.fixture(scope='module')
def images() -> Images:
    return {RGB: made_pictures([RGB], SIZE)[RGB][:2]}


def quantized_layers(network: Path) -> int:
    layers = import_openvino().Core().read_model(network).get_ops()
    return sum(layer.get_type_name() == 'FakeQuantize' for layer in layers)


def test_layers_that_hurt_stay_as_they_are_until_the_error_is_met(
    backbone: Backbone, images: Images, tmp_path: Path
) -> None:
    backbones = {RGB: backbone}
    expected = one_by_one(TorchEngine(backbones), images)
    counts, errors = [], list[float]()
    for each in range(2):
        folder = tmp_path / str(each)
        folder.mkdir()
        networks = quantize(backbones, images, folder, errors[-1] / 2 if each else None)
        assert {file.name for file in folder.iterdir()} == {'int8_rgb.xml', 'int8_rgb.bin'}
        counts.append(quantized_layers(networks[RGB]))
        engine = build(Candidate('openvino', 'int8'), Workload(backbones, images, networks))
        errors.append(relative_error(one_by_one(engine, images), expected))
    assert counts[0] > counts[1]
    assert errors[0] > errors[1]
