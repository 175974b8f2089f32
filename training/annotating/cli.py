# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``train annotate``: a recording with what a bundle says of it.

It imports what it needs when it runs: ``--help`` does not wait for torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from mm_perception.observation import Modality
from training.options import DepthTopic, Device, DeviceOption, RgbTopic, WeightsFile, torch_device
from training.progress import progress_bars

_CONSOLE = Console()


def annotate(
    recording: Annotated[
        Path, typer.Argument(help='A rosbag2 folder, or an .mcap, .db3 or .bag file.')
    ],
    output: Annotated[Path, typer.Argument(help='The .mcap file to write.')],
    bundle: Annotated[Path, typer.Option(help="The bundle's folder.")],
    backbone_weights: WeightsFile = None,
    rgb_topic: RgbTopic = None,
    depth_topic: DepthTopic = None,
    device: DeviceOption = Device.AUTO,
    overwrite: Annotated[bool, typer.Option(help='Replace an earlier file.')] = False,
) -> None:
    """Write a recording with the labels that the robot would have given, for Foxglove and RViz."""
    from mm_perception.classifier import Classifier  # noqa: PLC0415 - as the docstring says
    from mm_perception.engines import EngineSettings  # noqa: PLC0415 - likewise
    from training.annotating.session import annotate_recording, find_one  # noqa: PLC0415 - likewise

    found = find_one(recording, output, overwrite=overwrite)
    on_gpu = torch_device(device).type == 'cuda'
    on: Literal['cpu', 'cuda'] = 'cuda' if on_gpu else 'cpu'
    classifier = Classifier(bundle, on, backbone_weights, EngineSettings(), _CONSOLE.print)
    classifier.warm_up()
    with progress_bars(_CONSOLE) as progress:
        task = progress.add_task('images', total=None)
        made = annotate_recording(
            found,
            output,
            classifier,
            {Modality.RGB: rgb_topic, Modality.DEPTH: depth_topic},
            overwrite=overwrite,
            told=lambda done, of: progress.update(task, completed=done, total=of),
        )
    for reason, count in made.faults.most_common(3):
        _CONSOLE.print(f'[yellow]{count} ×[/] {reason}', soft_wrap=True)
    modes = ', '.join(f'{mode} {count}' for mode, count in made.modes.most_common())
    _CONSOLE.print(
        f'{made.modes.total()} labels ({modes or "none"}) of {made.images} images, '
        f'{made.modes.total() / made.seconds:.1f} a second ({classifier.engine}): '
        f'{output}, {output.stat().st_size / 1e6:.1f} MB',
        soft_wrap=True,
    )
