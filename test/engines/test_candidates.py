# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which engines there are for a device, and what is said of those that there are not."""

from __future__ import annotations

import pytest
import torch

from mm_perception.engines import EngineSettings, candidates, openvino_runtime
from mm_perception.errors import SettingsError


def test_each_device_has_engines_of_its_own() -> None:
    there = candidates(EngineSettings(), quantized=True, device=torch.device('cuda'))
    assert str(there[0]) == 'torch float32'  # the reference
    assert {each.engine for each in there} == {'torch', 'cudagraph'}
    assert 'cudagraph' not in {each.engine for each in candidates(EngineSettings(), quantized=True)}
    with pytest.raises(SettingsError, match=r"'cudagraph' is not for device cpu; use 'auto'"):
        candidates(EngineSettings('cudagraph'), quantized=False)
    with pytest.raises(SettingsError, match=r"'openvino' is not for device cuda; use 'auto'"):
        candidates(EngineSettings('openvino'), quantized=False, device=torch.device('cuda'))


def test_what_cannot_be_had_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r'holds no int8 networks; `train engines` makes them'):
        candidates(EngineSettings('auto', 'int8'), quantized=False)
    with pytest.raises(SettingsError, match=r'torch in int8: not to be had here; there are torch'):
        candidates(EngineSettings('torch', 'int8'), quantized=True)
    monkeypatch.setattr(openvino_runtime, 'is_installed', lambda: False)
    with pytest.raises(SettingsError, match='it is not installed; pip install openvino'):
        candidates(EngineSettings('openvino'), quantized=False)
    assert {c.engine for c in candidates(EngineSettings(), quantized=True)} == {'torch'}
