# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What several commands are given alike: recordings, the backbone, the device, a cache."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mm_perception.errors import SettingsError

if TYPE_CHECKING:
    import torch

Bags = Annotated[
    list[Path] | None,
    typer.Argument(help='rosbag2 folders, .mcap, .db3 or .bag files, or folders of them.'),
]
LabelFile = Annotated[
    Path | None,
    typer.Option('--labels', help='CSV of bag,start,end,label; default: labels.csv in the folder.'),
]
RgbTopic = Annotated[str | None, typer.Option(help='The colour topic; found when not given.')]
DepthTopic = Annotated[str | None, typer.Option(help='The depth topic; found when not given.')]
Cache = Annotated[
    Path | None, typer.Option(help='Where features are kept; default: ~/.cache/mm_perception.')
]
RecipeName = Annotated[
    Path | None,
    typer.Option(
        help='A YAML file, or rgbd, few_clicks, few_labels, depth_encodings, washington, demo.'
    ),
]
Change = Annotated[
    list[str] | None, typer.Option('--set', help='optimisation.epochs=30; may be repeated.')
]
Backbone = Annotated[str | None, typer.Option(help='A torchvision classifier.')]
Layer = Annotated[str | None, typer.Option(help='Its layer; values must be ≥ 0.')]
BackboneWeights = Annotated[
    str | None,
    typer.Option(help='A .safetensors or .pth file, imagenet (from the torch cache), random.'),
]
WeightsFile = Annotated[Path | None, typer.Option(help="The backbone's weights.")]


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


def features_folder(cache: Path | None) -> Path:
    """Where features are kept."""
    home = Path(os.environ.get('XDG_CACHE_HOME', '~/.cache')).expanduser()
    return cache or home / 'mm_perception' / 'features'


def backbone_changes(name: str | None, layer: str | None, weights: str | None) -> list[str]:
    """Express the backbone options as changes of the recipe, for both modalities."""
    chosen = {'name': name, 'layer': layer, 'weights': weights and _weights_kind(weights)}
    return [
        f'pipeline.backbones.{modality}.{key}={value}'
        for modality in ('rgb', 'depth')
        for key, value in chosen.items()
        if value is not None
    ]


def weights_file(weights: str | None) -> Path | None:
    """Give the file that ``--backbone-weights`` names, if it names one."""
    return Path(weights) if weights and _weights_kind(weights) == 'file' else None


def _weights_kind(weights: str) -> str:
    return weights if weights in {'imagenet', 'random'} else 'file'
