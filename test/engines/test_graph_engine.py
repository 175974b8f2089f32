# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is recorded once for each network is computed anew for each picture."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch

from mm_perception.engines import (
    GraphEngine,
    TorchEngine,
    made_pictures,
    one_by_one,
    relative_error,
)
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.gpu import recording
from mm_perception.gpu.recording import Unrecorded
from mm_perception.observation import Modality


def test_recorded_network_is_computed_anew_each_time_and_forgotten_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[weakref.ref[Any]] = []

    class Recorded(Unrecorded):
        def __init__(self, work: Any, arrays: Any, device: torch.device, _: object) -> None:
            super().__init__(work, arrays, device)
            made.append(weakref.ref(self))

    monkeypatch.setattr(recording, 'Recording', Recorded)
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    engine = GraphEngine(dict.fromkeys(Modality, backbone), 'float32')
    images = made_pictures(Modality, 64)
    assert relative_error(one_by_one(engine, images), TorchEngine(engine.networks)(images)) < 1e-4
    assert len(made) == 2  # one for each modality, whatever the number of images
    engine.forget()
    gc.collect()
    assert [each() for each in made] == [None, None]
    one_by_one(engine, images)
    assert len(made) == 4
