# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The option ``--device`` of every command."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from mm_perception.errors import SettingsError

if TYPE_CHECKING:
    import torch


class Device(str, Enum):
    """Where to compute."""

    AUTO = 'auto'
    CPU = 'cpu'
    CUDA = 'cuda'


DeviceOption = Annotated[Device, typer.Option(help='Where to compute.')]


def torch_device(device: Device) -> torch.device:
    """Find the device.

    Raises:
        SettingsError: A GPU is asked for, and there is none.

    """
    import torch  # noqa: PLC0415 - ``--help`` does not wait for it

    if device is Device.CUDA and not torch.cuda.is_available():
        raise SettingsError("--device cuda: torch finds no GPU; use 'auto'")
    on_gpu = device is not Device.CPU and torch.cuda.is_available()
    return torch.device('cuda' if on_gpu else 'cpu')
