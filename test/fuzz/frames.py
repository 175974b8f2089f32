# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is promised of every frame, however it was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from fuzz.promises import attempt

from mm_perception.health import SensorHealth
from mm_perception.observation import Modality
from mm_perception.preprocessing import PreprocessingSettings, depth_input, rgb_input
from mm_perception.regions import RegionSettings, crop, find_region

if TYPE_CHECKING:
    from mm_perception.observation import Frame

REGIONS = (RegionSettings(), RegionSettings(kind='full'))
SIZE = 32


def check_frame(frame: Frame) -> None:
    """Demand pixels as the nouns have them: colour in bytes, depth in metres or unknown."""
    image = frame.image
    if frame.modality is Modality.RGB:
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        return
    assert image.dtype == np.float32
    assert image.ndim == 2
    assert image.dtype.isnative
    with np.errstate(invalid='ignore'):
        assert (np.isnan(image) | ((image > 0) & (image < np.inf))).all()


def classify(frame: Frame) -> None:
    """Go a frame's whole way to the network's input, as far as it is good."""
    health = SensorHealth(frame.modality)
    fault = health.inspect(frame, 0)
    if fault is not None:
        assert fault.isprintable()
        return
    to_input = rgb_input if frame.modality is Modality.RGB else depth_input
    for settings in REGIONS:
        region = attempt(lambda settings=settings: find_region(settings, frame))
        if region is None:
            continue
        view = crop(frame.image, region)
        ready = attempt(lambda view=view: to_input(view, PreprocessingSettings(size=SIZE)))
        if ready is not None:
            assert ready.shape == (SIZE, SIZE, 3)
            assert ready.dtype == np.uint8
