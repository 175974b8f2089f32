# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What several commands are given alike: recordings, the backbone, where features are kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

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
RecipeName = Annotated[Path | None, typer.Option(help='A YAML file, or rgbd, washington, demo.')]
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
