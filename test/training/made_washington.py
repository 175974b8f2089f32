# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Folders as the Washington RGB-D Object Dataset has them, of crops that a test makes up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 30, 40
"""Of every crop."""

Crop: TypeAlias = tuple[NDArray[Any], NDArray[Any]]
"""Colour, red first, and depth in mm."""


def write_crops(
    root: Path,
    instances: Iterable[str],
    frames: int,
    crop: Callable[[str], Crop],
) -> Path:
    """Write every fifth frame's crops, and give the folder.

    Args:
        root: The folder; made here.
        instances: Objects: ``apple_1`` and the like.
        frames: The last frame's number at most.
        crop: Draws one of an object of a category.

    """
    for instance in instances:
        category = instance.rpartition('_')[0]
        place = root / category / instance
        place.mkdir(parents=True)
        for frame in range(1, frames + 1, 5):
            rgb, depth = crop(category)
            stem = place / f'{instance}_1_{frame}'
            cv2.imwrite(f'{stem}_crop.png', rgb[:, :, ::-1].astype(np.uint8))
            cv2.imwrite(f'{stem}_depthcrop.png', depth.astype(np.uint16))
    return root


def coloured(colours: Mapping[str, tuple[int, int, int]]) -> Callable[[str], Crop]:
    """Draw crops by their category's colour, as flat as a wall; both with noise."""
    random = np.random.default_rng(0)

    def crop(category: str) -> Crop:
        rgb = np.clip(random.normal(colours[category], 25, (*SIZE, 3)), 0, 255)
        return rgb, random.normal(800, 2, SIZE)

    return crop
