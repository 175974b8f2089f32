# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""In how many bits training multiplies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from mm_perception.models import Objective

Precision = Literal['auto', 'float32', 'bfloat16']


def in_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether layers compute in bfloat16: where that is asked for, or the machine is made for it.

    A processor that is not computes it by way of float32, several times slower.
    """
    if precision != 'auto':
        return precision == 'bfloat16'
    if device.type == 'cuda':
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        flags = set(Path('/proc/cpuinfo').read_text(encoding='ascii', errors='replace').split())
    except OSError:  # not Linux
        return False
    return not flags.isdisjoint({'avx512_bf16', 'amx_bf16'})


def multiplied_in_bfloat16(
    objective: Callable[..., Objective], device: torch.device
) -> Callable[..., Objective]:
    """Make an objective whose matrix products, and their gradients, take bfloat16 numbers.

    Each product is summed up in float32. Weights, batch statistics, distributions and the
    optimiser stay float32.

    Args:
        objective: Of a model whose products are ``Linear`` layers.
        device: Where it computes.

    """

    def narrow(*batch: Any) -> Objective:
        with torch.autocast(device.type, torch.bfloat16):
            return objective(*batch)

    return narrow
