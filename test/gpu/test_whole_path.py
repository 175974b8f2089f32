# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One piece of tensor work says what the stages say, and can be recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from mm_perception.bundle import Bundle
from mm_perception.features import Backbone, BackboneSettings, load_backbone
from mm_perception.gpu.whole_path import WholePath
from mm_perception.observation import Modality
from mm_perception.preprocessing import PreprocessingSettings

if TYPE_CHECKING:
    from pathlib import Path

RGB, DEPTH = Modality.RGB, Modality.DEPTH
SHAPES = {RGB: (60, 80, 3), DEPTH: (60, 80)}


@pytest.fixture(scope='module')
def networks() -> dict[Modality, Backbone]:
    network = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    return dict.fromkeys(Modality, network)


@pytest.fixture(scope='module')
def path(trusting_bundle: Path, networks: dict[Modality, Backbone]) -> WholePath:
    return WholePath(PreprocessingSettings(), networks, Bundle.load(trusting_bundle).head, SHAPES)


def images(count: int) -> dict[Modality, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    colour = torch.randint(0, 256, (count, *SHAPES[RGB]), dtype=torch.uint8, generator=generator)
    depth = 0.5 + torch.rand((count, *SHAPES[DEPTH]), generator=generator)
    return {RGB: colour, DEPTH: torch.where(depth < 0.7, torch.nan, depth)}


def test_every_mode_is_answered_that_the_modalities_allow(path: WholePath) -> None:
    assert path.modes == [(RGB, DEPTH), (RGB,), (DEPTH,)]
    with torch.inference_mode():
        found = path(images(2))
    assert found.shape == (3, 2, 3 + 2)
    torch.testing.assert_close(found[..., :3].sum(-1), torch.ones(3, 2))


def test_one_modality_is_answered_as_it_is_beside_the_other(path: WholePath) -> None:
    both = images(1)
    with torch.inference_mode():
        expected = path(both)
        blind = path({**both, RGB: torch.zeros_like(both[RGB])})
    torch.testing.assert_close(blind[2], expected[2], equal_nan=True)
    assert not torch.equal(blind[0], expected[0])


def test_no_step_waits_for_a_value(path: WholePath) -> None:
    """Else it cannot be recorded; values are not even there while this one runs."""
    with FakeTensorMode(allow_non_fake_inputs=True) as fake, torch.inference_mode():
        given = {modality: fake.from_tensor(each) for modality, each in images(1).items()}
        assert path(given).shape == (3, 1, 3 + 2)
        with pytest.raises(DataDependentOutputException):
            bool(given[DEPTH].isnan().any())
