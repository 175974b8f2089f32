# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Two matrices scale and pad as OpenCV does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mm_perception.gpu.resampling import square_weights, to_square
from mm_perception.preprocessing import fit_square

SIDES = st.integers(1, 120)


@given(SIDES, SIDES, st.integers(32, 64))
def test_square_is_the_processors(height: int, width: int, size: int) -> None:
    image = np.random.default_rng(0).random((height, width), np.float32)
    square = to_square(torch.from_numpy(image)[None], square_weights(height, width, size))[0]
    assert_allclose(square.numpy(), fit_square(image, size), atol=1e-3)


@pytest.mark.parametrize('shape', [(60, 40), (100, 200)])
def test_colours_are_scaled_each_by_itself(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((2, *shape, 3), np.float32)
    found = to_square(torch.from_numpy(image), square_weights(*shape, 64))
    assert_allclose(found.numpy(), np.stack([fit_square(each, 64) for each in image]), atol=1e-3)


@given(SIDES, SIDES)
def test_no_pixel_gets_lighter_or_darker_than_its_parts(height: int, width: int) -> None:
    for weights in square_weights(height, width, 48):
        assert_allclose(weights.sum(1).numpy(), 1, atol=1e-6)
        assert weights.min() >= 0
