# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Filling holes in tensors is filling holes as the processor does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_array_equal
from patchy_depth import patchy

from mm_perception import preprocessing
from mm_perception.gpu import holes
from mm_perception.gpu.holes import HoleFilling, can_fill

N = np.nan
DISTANCES = st.sampled_from([N, 0.0, -1.0, np.inf, 0.5, 0.75, 1.0, 2.0])


def filled(depth: np.ndarray) -> np.ndarray:
    return np.asarray(HoleFilling(*depth.shape)(torch.from_numpy(depth)[None])[0].numpy())


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=DISTANCES))
def test_every_hole_gets_a_distance_that_is_nearest_to_it(depth: np.ndarray) -> None:
    valid = (depth > 0) & (depth < np.inf)
    if not valid.any():
        return
    found = filled(depth)
    assert_array_equal(found[valid], depth[valid])
    rows, columns = np.nonzero(valid)
    for y, x in np.argwhere(~valid):
        apart = np.abs(rows - y), np.abs(columns - x)
        longer, shorter = np.maximum(*apart), np.minimum(*apart)
        chamfer = np.maximum(longer + 0.1969 * shorter, 0.7969 * longer + 0.6031 * shorter)
        nearest = chamfer < chamfer.min() + 1e-3
        assert found[y, x] in depth[rows[nearest], columns[nearest]]


@pytest.mark.parametrize('shape', [(120, 160), (97, 41), (16, 200)])
def test_of_several_as_near_it_is_opencvs(shape: tuple[int, int]) -> None:
    depth = patchy(*shape)
    apart = filled(depth) != preprocessing.fill_holes(depth)
    assert apart.sum() <= 0.003 * np.isnan(depth).sum()


def test_an_image_without_holes_stays_as_it_is() -> None:
    depth = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
    assert_array_equal(filled(depth), depth)


def test_images_of_a_batch_are_filled_each_by_itself() -> None:
    batch = np.stack([patchy(30, 40, seed) for seed in range(3)])
    found = HoleFilling(30, 40)(torch.from_numpy(batch)).numpy()
    assert_array_equal(found, np.stack([filled(each) for each in batch]))


def test_rows_that_do_not_fit_into_memory_at_once_are_compared_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depth = patchy(30, 40)
    whole = filled(depth)
    monkeypatch.setattr(holes, '_AT_ONCE', 7 * 40 * 40)
    assert_array_equal(filled(depth), whole)


def test_a_cameras_whole_image_can_be_filled_and_a_large_one_is_not_tried() -> None:
    assert can_fill(480, 640)
    assert not can_fill(1080, 1920)
