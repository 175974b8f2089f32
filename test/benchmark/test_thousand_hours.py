# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a thousand hours of recordings would cost, from what one frame and one step cost here.

``pytest -s test/benchmark/test_thousand_hours.py`` prints the tables. Processor time is measured;
GPU time is computed from the operations that torch counts, and has not been measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from recorder import PERIOD, START, image, record
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from mm_perception.features import BackboneSettings
from mm_perception.models import ModelSettings, build_model
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline, PipelineSettings, prepare
from training.features.reading import THUMBNAIL
from training.fitting.checkpoint import Position, save_checkpoint
from training.fitting.step import TrainingStep
from training.recordings.bags import find_recordings

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures('one_thread')]
HOURS, RATE, EVERY = 1000, 30, 5
GPU = 10e12
"""Operations a second that a GPU is taken to sustain: half of an A100's in float32."""
BATCH, CLASSES = 128, 51
FRAMES = HOURS * 3600 * RATE
ROWS = FRAMES // EVERY


def processor_seconds(work: Callable[[], object], times: int) -> float:
    """Measure one call, in processor time: others on the machine do not count."""
    work()
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def vga(frames: int) -> list[Any]:
    noise = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(noise.integers(0, 256, (480, 640, 3), np.uint8), (0, 0), 3)
    far = cv2.GaussianBlur(noise.integers(600, 1800, (480, 640)).astype(np.uint16), (0, 0), 5)
    said = []
    for number in range(frames):
        at = START + number * PERIOD
        said.append(image('/rgb/image', at, np.roll(smooth, 3 * number, 1), 'rgb8'))
        said.append(image('/depth/image', at + 1000, np.roll(far, 3 * number, 1), '16UC1'))
    return said


def operations(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def hours(seconds: float) -> str:
    return f'{seconds / 3600:,.0f} h' if seconds >= 36_000 else f'{seconds / 3600:.1f} h'


def test_a_thousand_hours(tmp_path: Path, console: Console) -> None:
    record(tmp_path / 'bag', vga(40), 'mcap')
    [bag] = find_recordings([tmp_path])
    decoding = processor_seconds(lambda: list(bag.observations(every=EVERY)), 3) / 40
    seen = list(bag.observations(every=3))
    settings = PipelineSettings()
    preparing = processor_seconds(lambda: [prepare(each, settings) for each in seen], 3) / len(seen)
    table = Table(title=f'{HOURS} h at {RATE} Hz, every {EVERY}th frame: {ROWS:,} rows')
    for head in ('', 'each', 'in all', 'GPU, computed'):
        table.add_column(head, justify='right')
    table.add_row('decode', f'{1e3 * decoding:.2f} ms', hours(FRAMES * decoding), '')
    table.add_row('prepare', f'{1e3 * preparing:.2f} ms', hours(ROWS * preparing), '')
    for name in ('alexnet', 'vgg16'):
        backbone = BackboneSettings(name=name, weights='random')
        pipeline = Pipeline(PipelineSettings(backbones=dict.fromkeys(Modality, backbone)))
        size = pipeline.settings.preprocessing.size
        pictures = {
            m: np.random.default_rng(0).integers(0, 255, (16, size, size, 3), np.uint8)
            for m in Modality
        }
        took = processor_seconds(lambda p=pipeline, x=pictures: p.features(x), 2) / 16
        counted = operations(lambda p=pipeline, x=pictures: p.features(x)) / 16
        table.add_row(
            f'{name} of both',
            f'{1e3 * took:.1f} ms, {counted / 1e9:.2f} GFLOP',
            hours(ROWS * took),
            hours(ROWS * counted / GPU),
        )
    row = 8 + 2 * (4 * pipeline.dimensions[Modality.RGB] + 3 * THUMBNAIL**2)
    table.add_row('cache', f'{row:,} bytes', f'{ROWS * row / 1e12:.2f} TB', '')
    modalities = {str(m): size for m, size in pipeline.dimensions.items()}
    model = build_model(ModelSettings(modalities=modalities, classes=CLASSES)).train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
    step = TrainingStep(model.objective, optimizer, 'off')
    inputs = {m: torch.rand(BATCH, size) for m, size in modalities.items()}
    batch = inputs, torch.arange(BATCH) % CLASSES, inputs
    took, counted = processor_seconds(lambda: step(*batch), 3), operations(lambda: step(*batch))
    table.add_row(
        'an epoch of the fit',
        f'{1e3 * took:.0f} ms, {counted / 1e9:.0f} GFLOP a step',
        hours(ROWS / BATCH * took),
        hours(ROWS / BATCH * counted / GPU),
    )
    began = time.monotonic()
    save_checkpoint(tmp_path / 'state', Position('run'), model, optimizer)
    table.add_row(
        'a checkpoint',
        f'{time.monotonic() - began:.1f} s',
        f'{(tmp_path / "state").stat().st_size / 1e6:.0f} MB',
        '',
    )
    console.print(table)
