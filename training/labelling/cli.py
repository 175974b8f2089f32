# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``train label``.

It imports what it needs when it runs: ``--help`` does not wait for torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mm_perception.errors import SettingsError
from training.options import (
    Backbone,
    BackboneWeights,
    Bags,
    Cache,
    Change,
    DepthTopic,
    Device,
    DeviceOption,
    LabelFile,
    Layer,
    RecipeName,
    RgbTopic,
    backbone_changes,
    features_folder,
    torch_device,
    weights_file,
)


def label(
    bags: Bags = None,
    labels: LabelFile = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A model to begin with; default: --output's, if there.")
    ] = None,
    output: Annotated[
        Path, typer.Option('--output', '-o', help='Folder for what Train makes, as of train fit.')
    ] = Path('model'),
    groups: Annotated[
        int | None, typer.Option(min=1, help='How many groups; default: by the number of frames.')
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help='0 takes any free one.')] = 8484,
    browser: Annotated[bool, typer.Option(help='Open the page in a browser.')] = True,
    recipe: RecipeName = None,
    change: Change = None,
    backbone: Backbone = None,
    layer: Layer = None,
    backbone_weights: BackboneWeights = None,
    rgb_topic: RgbTopic = None,
    depth_topic: DepthTopic = None,
    device: DeviceOption = Device.AUTO,
    cache: Cache = None,
) -> None:
    """Label recordings in the browser: by groups that look alike, what tells the most first."""
    from training.labelling.sitting import Options, sit

    if not bags:
        raise SettingsError('give the recordings to label')
    options = Options(
        bags=tuple(bags),
        labels=labels,
        bundle=bundle,
        output=output,
        groups=groups,
        recipe=recipe,
        changes=(*(change or ()), *backbone_changes(backbone, layer, backbone_weights)),
        weights=weights_file(backbone_weights),
        rgb_topic=rgb_topic,
        depth_topic=depth_topic,
        device=torch_device(device),
        cache=features_folder(cache),
    )
    sit(options, port, browser=browser, console=Console())
