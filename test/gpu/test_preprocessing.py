# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures made of tensors are the processor's, within what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from patchy_depth import patchy

from mm_perception.gpu.preprocessing import Preprocessing
from mm_perception.observation import Modality
from mm_perception.pipeline import picture
from mm_perception.preprocessing import PreprocessingSettings
from training.recordings.washington import find_crops

if TYPE_CHECKING:
    from pathlib import Path

RGB, DEPTH = Modality.RGB, Modality.DEPTH
USUAL = PreprocessingSettings()


def on_tensors(crop: np.ndarray, settings: PreprocessingSettings = USUAL) -> np.ndarray:
    preparing = Preprocessing(settings, crop.shape)
    return np.asarray(preparing(torch.from_numpy(np.ascontiguousarray(crop))[None])[0].numpy())


def apart(modality: Modality, crop: np.ndarray, **settings: Any) -> np.ndarray:
    """By how many levels each pixel differs from the processor's, [H, W]."""
    chosen = PreprocessingSettings(**settings)
    expected, found = picture(modality, crop, chosen), on_tensors(crop, chosen)
    assert found.dtype == np.uint8
    return np.asarray(np.abs(expected.astype(int) - found).max(-1))


@pytest.mark.parametrize('shape', [(240, 240), (148, 148), (90, 120), (16, 300)])
def test_colours_are_at_most_one_level_apart(shape: tuple[int, int]) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert apart(RGB, crop).max() <= 1


def test_colours_that_lie_backwards_in_memory_are_not_exchanged() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8)[:, :, ::-1]
    assert apart(RGB, crop).max() <= 1


@pytest.mark.parametrize('depth_range', [None, (10.0, 600.0)])
def test_jet_of_depth_with_holes_is_the_processors(depth_range: tuple[float, float] | None) -> None:
    differs = apart(DEPTH, patchy(100, 80) / 10, depth_range=depth_range)
    assert (differs > 4).mean() < 0.002


@pytest.mark.parametrize('metres', [0.5, 2.0])
def test_a_wall_without_relief_is_as_near_throughout(metres: float) -> None:
    wall = np.full((60, 80), metres, np.float32)
    assert_array_equal(on_tensors(wall), picture(DEPTH, wall, USUAL))


def test_pictures_of_a_real_kinects_crops_are_the_processors(shared_data: Path) -> None:
    crops = find_crops(shared_data / 'uw_rgbd', every=150)
    assert len(crops) > 40
    depth, differing = 0.0, 0
    for crop in crops:
        for modality, frame in crop.observation().frames.items():
            differs = apart(modality, frame.image)
            if modality is RGB:
                assert differs.max() <= 1
            else:
                depth += float((differs > 4).mean())
                differing += 1
    assert depth / differing < 1e-3
