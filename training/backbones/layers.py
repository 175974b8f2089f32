# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which layers of a backbone learn on."""

from __future__ import annotations

import math

from mm_perception.features import Backbone
from training.recipe import SMALL

_THIRD = 1 / 3


def freeze(backbone: Backbone, share: float) -> None:
    """Leave only the last layers something to learn.

    Args:
        backbone: Whose layers stand in the order in which they compute.
        share: Of the layers with weights; at least one learns.

    """
    layers = [m for m in backbone.network.modules() if any(True for _ in m.parameters(False))]
    learning = max(math.ceil(share * len(layers)), 1)
    for layer in layers[:-learning]:
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)


def share(trainable: float | None, images: int) -> float:
    """Tell which share of the layers learns from so many images, where a recipe does not."""
    if trainable is not None:
        return trainable
    return _THIRD if images < SMALL else 1.0
