# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Depth with holes as a sensor has them, in patches."""

from __future__ import annotations

import cv2
import numpy as np


def patchy(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Distances that are all different, so that it shows which one fills a hole."""
    random = np.random.default_rng(seed)
    depth = 1 + random.permutation(height * width).reshape(height, width).astype(np.float32)
    depth[cv2.GaussianBlur(random.random((height, width)), (0, 0), 4) > 0.5] = np.nan
    return depth
