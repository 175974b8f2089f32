# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from mm_perception.engines.folding import folded
from mm_perception.features import BackboneSettings, load_backbone


@pytest.mark.parametrize('size', [64, 148])
def test_folded_network_gives_the_same_features_with_fewer_weights(size: int) -> None:
    backbone = load_backbone(BackboneSettings(name='alexnet', weights='random'))
    images = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        before = backbone(images)
        smaller = folded(backbone, size)
        torch.testing.assert_close(smaller(images), before, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(backbone(images), before)  # which is left as it was
    assert not any(isinstance(m, nn.AdaptiveAvgPool2d) for m in smaller.modules())
    assert any(isinstance(m, nn.AdaptiveAvgPool2d) for m in backbone.modules())
    weights = [sum(p.numel() for p in each.parameters()) for each in (smaller, backbone)]
    assert weights[0] < weights[1] / 2


def test_network_without_such_a_pooling_is_left_as_it_is() -> None:
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    assert folded(backbone, 148) is backbone
