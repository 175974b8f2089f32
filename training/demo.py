# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The whole story on one machine: record, learn from few labels, label live, lose each sensor."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from mm_perception.errors import SettingsError
from mm_perception.observation import Modality
from training.live.losses import Loss
from training.live.session import LiveResult, run_live
from training.material import BagOptions, bag_material
from training.recipe import read_recipe
from training.session import Setting, run_session
from training.simulation import Shot, SimulationSettings, record_sequence, simulate
from training.summary import accuracy_table

RECORDINGS = SimulationSettings()
LIVE = SimulationSettings(rate_hz=30, orbit_speed=30)
SECONDS_A_SHOT = 2.5
LOSSES = (Loss(Modality.DEPTH, 6, 13.5), Loss(Modality.RGB, 17.25, 24.75))
_MADE_WITH = 'made_with.json'


def run_demo(folder: Path, device: torch.device, console: Console) -> LiveResult:
    """Tell the story.

    Args:
        folder: Takes everything; recordings and features that are there already are used again.
        device: Where to learn.
        console: Where to tell it.

    Raises:
        MMPerceptionError: A step failed.

    """
    _claim(folder)
    console.rule('1  Record household objects with a simulated Kinect')
    _record(folder / 'recordings', console)
    console.rule('2  Learn from them with 5 % of the frames labelled')
    recordings = folder / 'recordings'
    setting = Setting(
        folder / 'model', device, folder / 'features', overwrite=True, console=console
    )
    outcome = run_session(
        read_recipe(Path('demo')),
        setting,
        bag_material([recordings / 'train'], BagOptions()),
        bag_material([recordings / 'test'], BagOptions()),
    )
    console.print(accuracy_table(outcome.scores))
    console.print(f'The report: {outcome.report}', soft_wrap=True, highlight=False)
    console.rule('3  Label objects never seen before, live, while each sensor in turn is lost')
    return run_live(outcome.bundle, recordings / 'unseen', LOSSES, folder / 'live', console=console)


def _claim(folder: Path) -> None:
    """Refuse a folder of the user's: what the demo makes, it also replaces."""
    if (
        folder.exists()
        and any(folder.iterdir())
        and not (folder / 'recordings' / _MADE_WITH).exists()
    ):
        raise SettingsError(f'{folder}: not made by the demo; choose another --output')


def _record(folder: Path, console: Console) -> None:
    """Make the recordings, unless they are there."""
    made_with = f'{RECORDINGS.model_dump_json()}\n{LIVE.model_dump_json()}\n{SECONDS_A_SHOT}\n'
    note = folder / _MADE_WITH
    if note.is_file() and note.read_text(encoding='utf-8') == made_with:
        console.print(f'used again: {folder}')
        return
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text('being made', encoding='utf-8')
    for made in ('train', 'test', 'unseen'):
        shutil.rmtree(folder / made, ignore_errors=True)
    unseen = RECORDINGS.training_instances + 1
    shots = [Shot(category, unseen, SECONDS_A_SHOT) for category in RECORDINGS.categories]
    with Progress(console=console) as progress:
        task = progress.add_task('recordings to learn from')
        simulate(
            RECORDINGS, folder, lambda done, of: progress.update(task, completed=done, total=of)
        )
        task = progress.add_task('a recording of unseen objects')
        record_sequence(
            LIVE,
            shots,
            folder / 'unseen',
            progress=lambda done, of: progress.update(task, completed=done, total=of),
        )
    note.write_text(made_with, encoding='utf-8')
