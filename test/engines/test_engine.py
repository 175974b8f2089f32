# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What holds for every engine that this machine has."""

from __future__ import annotations

import pytest
import torch

from mm_perception.engines import (
    Candidate,
    EngineSettings,
    Images,
    TorchEngine,
    Workload,
    build,
    candidates,
    made_pictures,
    one_by_one,
    relative_error,
)
from mm_perception.features import Backbone, BackboneSettings, load_backbone
from mm_perception.observation import Modality

RGB, DEPTH = Modality.RGB, Modality.DEPTH
SIZE = 64
DEVICES = [torch.device(d) for d in ('cpu', 'cuda') if d == 'cpu' or torch.cuda.is_available()]
HERE = [
    (candidate, device)
    for device in DEVICES
    for candidate in candidates(EngineSettings(), quantized=False, device=device)
    if candidate.precision != 'int8'
]
SQUEEZENET = BackboneSettings(name='squeezenet1_0', weights='random')


@pytest.fixture(scope='module')
def backbone(device: torch.device) -> Backbone:
    return load_backbone(SQUEEZENET).to(device)


@pytest.fixture(scope='module')
def images() -> Images:
    return made_pictures(Modality, SIZE)


@pytest.fixture(scope='module', params=HERE, ids=lambda place: f'{place[0]} on {place[1]}')
def place(request: pytest.FixtureRequest) -> tuple[Candidate, torch.device]:
    chosen: tuple[Candidate, torch.device] = request.param
    return chosen


@pytest.fixture(scope='module')
def candidate(place: tuple[Candidate, torch.device]) -> Candidate:
    return place[0]


@pytest.fixture(scope='module')
def device(place: tuple[Candidate, torch.device]) -> torch.device:
    return place[1]


def test_features_are_those_of_the_reference_within_the_precision(
    backbone: Backbone, images: Images, candidate: Candidate
) -> None:
    work = Workload({RGB: backbone, DEPTH: backbone}, images, {})
    expected = TorchEngine(work.backbones)(images)
    engine = build(candidate, work)
    found = engine(images)
    allowed = {'float32': 1e-4, 'bfloat16': 0.02}[candidate.precision]
    assert relative_error(found, expected) < allowed
    assert relative_error(one_by_one(engine, images), expected) < allowed
    for modality, values in found.items():
        assert values.shape == expected[modality].shape
        assert values.dtype == torch.float32
        assert values.min() >= 0


def test_each_modality_gets_its_own_features_alone_and_together(
    backbone: Backbone, images: Images, candidate: Candidate
) -> None:
    engine = build(candidate, Workload({RGB: backbone, DEPTH: backbone}, images, {}))
    together = engine({RGB: images[RGB][:1], DEPTH: images[DEPTH][:3]})
    assert [len(together[m]) for m in (RGB, DEPTH)] == [1, 3]
    for modality, values in together.items():
        alone = engine({modality: images[modality][: len(values)]})
        assert set(alone) == {modality}
        assert relative_error({modality: values}, alone) < 0.02


def test_features_are_not_overwritten_by_the_next_ones(
    backbone: Backbone, images: Images, candidate: Candidate
) -> None:
    engine = build(candidate, Workload({RGB: backbone}, images, {}))
    first = engine({RGB: images[RGB][:1]})[RGB]
    kept = first.clone()
    engine({RGB: images[RGB][1:2]})
    assert torch.equal(first, kept)


def test_modality_that_is_not_wanted_is_left_out_and_the_other_computed(
    backbone: Backbone, images: Images, candidate: Candidate
) -> None:
    engine = build(candidate, Workload({RGB: backbone, DEPTH: backbone}, images, {}))
    assert set(engine(images, lambda m: m is RGB)) == {RGB}
    assert engine(images, lambda _: False) == {}


def test_modality_that_is_lost_on_the_way_is_left_out(
    backbone: Backbone, images: Images, candidate: Candidate
) -> None:
    engine = build(candidate, Workload({RGB: backbone, DEPTH: backbone}, images, {}))
    asked = 0

    def wanted(modality: Modality) -> bool:
        nonlocal asked
        asked += modality is DEPTH
        return modality is RGB or asked <= 1

    assert set(engine(images, wanted)) == {RGB}


def test_backbones_of_their_own_are_not_mixed_up(
    candidate: Candidate, device: torch.device, images: Images
) -> None:
    own = {
        modality: load_backbone(SQUEEZENET.model_copy(update={'seed': seed})).to(device)
        for seed, modality in enumerate(Modality)
    }
    same = {RGB: images[RGB], DEPTH: images[RGB]}
    found = build(candidate, Workload(own, images, {}))(same)
    assert relative_error({RGB: found[RGB]}, {RGB: found[DEPTH]}) > 0.05
    assert relative_error(found, TorchEngine(own)(same)) < 0.02
