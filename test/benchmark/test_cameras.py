# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera costs when one process serves several, and when each has a process of its own.

The cameras are triggered together, and slowly: every pair is labelled in both ways, so that a label
costs the same images taken. Memory that processes share (the code of torch) is shared out among
them.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from live_rate import HERE, OURS, SETTLE, listening, process_of, spin_for, until
from rich.console import Console
from rich.table import Table
from steady_camera import pictures

from mm_perception.bundle import save_bundle
from mm_perception.classifier import Classifier
from mm_perception.engines import EngineSettings, openvino_runtime, processors
from mm_perception.engines.record import processor_name
from mm_perception.errors import SettingsError
from mm_perception.features import BackboneSettings
from mm_perception.head import Head
from mm_perception.images import frame_from_message
from mm_perception.models import ModelSettings
from mm_perception.observation import Modality, Observation
from mm_perception.pipeline import Pipeline, PipelineSettings
from mm_perception.serving.request import Request
from training.live.environment import live_environment, private_domain

pytestmark = pytest.mark.timeout(1800)

WEIGHTS = 'weights/squeezenet1_0_imagenet.fp16.safetensors'
COUNTS = (1, 2, 4)
SECONDS = 20.0
HERTZ = 3.0
ROUNDS = 7
ENGINES = [('torch', 'float32')]
if openvino_runtime.is_installed():
    ENGINES += [('openvino', each) for each in openvino_runtime.precisions() if each != 'int8']
CLASSES = tuple(f'class {i}' for i in range(12))


@dataclass(frozen=True)
class Cost:
    """What so many cameras cost.

    Attributes:
        rate: Labels a second, of all cameras.
        least: And of the one that got the fewest, in labels a second.
        processor: Milliseconds of processor time, a label.
        memory: MiB, of all processes.
        ages: p50 and p99 of the labels' age, ms.

    """

    rate: float
    least: float
    processor: float
    memory: float
    ages: tuple[float, float]


def backbone(name: str) -> tuple[BackboneSettings, Path | None]:
    """Take SqueezeNet's real weights, where they are there; of the others there are none."""
    file = Path(os.environ.get('MM_PERCEPTION_DATA', '')) / WEIGHTS
    if name == 'squeezenet1_0' and file.is_file():
        return BackboneSettings(name=name, weights='file'), file
    return BackboneSettings(name=name, weights='random'), None


def made(path: Path, spec: BackboneSettings, file: Path | None) -> Path:
    """Write a model of full size that was never trained, which costs what a good one does."""
    weights = {} if file is None else dict.fromkeys(Modality, file)
    pipeline = Pipeline(PipelineSettings(backbones=dict.fromkeys(Modality, spec)), weights)
    sizes = {str(modality): size for modality, size in pipeline.dimensions.items()}
    model = ModelSettings(name='ss_hmvae_kl', modalities=sizes, classes=len(CLASSES))
    torch.manual_seed(0)
    manifest = {
        'created': '2026-01-01T00:00:00Z',
        'made_by': 'benchmark',
        'classes': CLASSES,
        'pipeline': pipeline.pinned,
        'model': model,
    }
    save_bundle(path, Head(model), manifest, weights)
    return path


@pytest.mark.parametrize('name', ['squeezenet1_0', 'alexnet'])
def test_cameras_of_one_process_cost_less_than_a_process_each(
    name: str, tmp_path: Path, console: Console
) -> None:
    spec, file = backbone(name)
    bundle = made(tmp_path / 'bundle', spec, file)
    costs: dict[tuple[int, bool], Cost] = {}
    for count in COUNTS:
        for together in (True, False) if count > 1 else (True,):
            costs[count, together] = measured(bundle, count, together=together)
    show(console, spec, costs)
    for count in COUNTS[1:]:
        one, many = costs[count, True], costs[count, False]
        assert one.memory < 0.8 * many.memory
        assert one.processor < 1.2 * many.processor
        assert one.least > 0.5 * one.rate / count  # nobody starves


@pytest.mark.usefixtures('one_thread')
@pytest.mark.parametrize('name', ['squeezenet1_0', 'alexnet', 'vgg16'])
def test_a_label_costs_the_device_the_less_the_more_cameras_are_asked_for_at_once(
    name: str, tmp_path: Path, console: Console
) -> None:
    spec, file = backbone(name)
    bundle = made(tmp_path / 'bundle', spec, file)
    table = Table(title=f'{name}: processor, ms a label, in brackets: of one', title_justify='left')
    table.add_column('observations in one inference')
    for count in COUNTS:
        table.add_column(str(count), justify='right')
    for kind, precision in ENGINES:
        try:
            classifier = Classifier(bundle, 'cpu', None, EngineSettings(kind, precision))
        except SettingsError:  # its features are too far from the reference's
            continue
        classifier.warm_up(max(COUNTS))
        spent = {count: inference(classifier, count) for count in COUNTS}
        shown = [f'{ms:.1f} ({ms / spent[1]:.2f})' for ms in spent.values()]
        table.add_row(classifier.engine, *shown)
        assert spent[max(COUNTS)] < 1.1 * spent[1]
    console.print(table)


def inference(classifier: Classifier, count: int) -> float:
    """Give milliseconds of processor time, a label, the median of several inferences."""
    requests = []
    for rgb, depth in pictures()[:count]:
        frames = (
            frame_from_message(rgb, Modality.RGB, 1),
            frame_from_message(depth, Modality.DEPTH, 1),
        )
        seen = Observation.of(*frames)
        requests.append(Request(lambda seen=seen: seen, None, lambda _: True))
    took = []
    for _ in range(ROUNDS):
        start = time.process_time()
        answers = classifier.answer(requests)
        took.append(1e3 * (time.process_time() - start) / count)
        assert all(isinstance(answer, list) for answer in answers)
    return statistics.median(took)


def measured(bundle: Path, count: int, *, together: bool) -> Cost:
    """Run so many cameras before one process, or before one each."""
    names = [f'/camera{i}' for i in range(count)]
    settings = {'model': bundle, 'device': 'cpu', **engine()}
    words = [word for k, v in settings.items() for word in ('-p', f'{k}:={v}')]
    if together:
        commands = [[*OURS, *words, '--', '--cameras', ','.join(names)]]
    else:
        commands = [[*OURS, *words, '-r', f'__ns:={name}'] for name in names]
    environment = live_environment(private_domain())
    topics = [f'{name}/mm_perception/prediction' for name in names]
    with ExitStack() as stack:
        nodes = [stack.enter_context(process_of(c, environment)) for c in commands]
        heard, spin = stack.enter_context(listening(*topics))
        for node in nodes:
            assert node.stdout is not None
            for _ in names if together else names[:1]:
                said = next(line for line in node.stdout if 'active on' in line or 'ERROR' in line)
                assert 'active on' in said, said
        camera = [sys.executable, str(HERE / 'steady_camera.py'), str(HERTZ), *names]
        stack.enter_context(process_of(camera, environment))
        until(spin, lambda: {each['camera'] for each in heard} == {*range(count)})
        spin_for(spin, SETTLE)
        heard.clear()
        processes = [psutil.Process(node.pid) for node in nodes]
        before, start = spent(processes), time.monotonic()
        spin_for(spin, SECONDS)
        took, cost = time.monotonic() - start, spent(processes) - before
        memory = sum(process.memory_full_info().pss for process in processes) / 2**20
    of_each = [sum(each['camera'] == i for each in heard) for i in range(count)]
    p50, p99 = np.percentile([each['age'] for each in heard], (50, 99)).tolist()
    labels = len(heard)
    return Cost(labels / took, min(of_each) / took, 1e3 * cost / labels, memory, (p50, p99))


def engine() -> dict[str, str]:
    """Take the same engine in every process, whatever was the fastest in one of them."""
    engine = 'openvino' if openvino_runtime.is_installed() else 'torch'
    return {'engine': engine, 'precision': 'float32'}


def spent(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def show(console: Console, spec: BackboneSettings, costs: dict[tuple[int, bool], Cost]) -> None:
    alone = costs[1, True]
    table = Table(
        title=f'{spec.name} ({spec.weights} weights), {processors()} of {processor_name()}, '
        f'load {os.getloadavg()[0]:.1f}',
        title_justify='left',
        caption=f'cameras of 640 × 480 pixels and {HERTZ:g} Hz; in brackets: of one camera alone',
        caption_justify='left',
    )
    for name in ('cameras', 'labels/s', 'least', 'processor, ms a label', 'MiB', 'age p50 / p99'):
        table.add_column(name, justify='left' if name == 'cameras' else 'right')
    for (count, together), cost in costs.items():
        table.add_row(
            f'{count} in one process' if together else f'{count} in a process each',
            f'{cost.rate:.1f}',
            f'{cost.least:.1f}',
            f'{cost.processor:.1f} ({cost.processor / alone.processor:.2f})',
            f'{cost.memory:.0f} ({cost.memory / alone.memory:.2f})',
            f'{cost.ages[0]:.0f} / {cost.ages[1]:.0f} ms',
        )
    console.print(table)
