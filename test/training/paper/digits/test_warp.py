# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A warp moves a picture as far as it says, and not at all when it says so."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from training.paper.digits.warp import Warp


def bar(count: int = 200) -> Tensor:
    """Give pictures of an upright bar in the middle."""
    images = torch.zeros(count, 28, 28)
    images[:, 6:22, 13:15] = 1
    return images


def centre(images: Tensor) -> Tensor:
    """Centre of mass [B, (right, down)] in pixels from the middle."""
    place = torch.arange(28.0) - 13.5
    mass = images.sum((1, 2))
    right, down = (images.sum(1) * place).sum(1) / mass, (images.sum(2) * place).sum(1) / mass
    return torch.stack([right, down], -1)


def tilt(images: Tensor) -> Tensor:
    """Angle [B] of the bar against the upright, in degrees."""
    rows, columns = torch.meshgrid(*[torch.arange(28.0) - 13.5] * 2, indexing='ij')
    upper = images * (rows < 0)
    mass = upper.sum((1, 2))
    return torch.rad2deg(
        torch.atan2((upper * columns).sum((1, 2)) / mass, -(upper * rows).sum((1, 2)) / mass)
    )


def test_no_warp_leaves_the_picture() -> None:
    assert torch.allclose(Warp()(bar()), bar(), atol=1e-5)


def test_no_picture_is_no_picture() -> None:
    assert Warp(rotation=10)(bar()[:0]).shape == (0, *bar().shape[1:])


def test_turns_reach_from_minus_to_plus_the_rotation() -> None:
    angles = tilt(Warp(rotation=40)(bar(), torch.Generator().manual_seed(0))).numpy()
    assert np.abs(angles).max() <= 41
    assert angles.min() < -35
    assert angles.max() > 35
    assert abs(angles.mean()) < 5  # uniform on ±40: the mean of 200 has a deviation of 1.6


@pytest.mark.parametrize('axis', [0, 1])
def test_shifts_are_in_pixels(axis: int) -> None:
    away = centre(Warp(shift=3)(bar(), torch.Generator().manual_seed(0)))[:, axis].abs()
    assert 2.8 < away.max() < 3.05


def test_scale_changes_the_size() -> None:
    area = Warp(scale=0.2)(bar(), torch.Generator().manual_seed(0)).sum((1, 2)) / 32
    assert 0.6 < area.min() < 0.75  # 0.8² = 0.64
    assert 1.3 < area.max() < 1.5  # 1.2² = 1.44


def test_same_generator_gives_the_same_pictures() -> None:
    warp = Warp(rotation=10, shift=2, scale=0.1, shear=0.1)
    one, again = (warp(bar(), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one[0], one[1])  # each picture by its own draw
