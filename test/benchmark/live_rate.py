# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A node as a process, a camera as another, and what comes of it: rate, age, processor, memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rich.console import Console
from rich.table import Table

from mm_perception.engines import processors
from mm_perception.engines.record import processor_name
from training.live.environment import live_environment, private_domain

HERE = Path(__file__).parent
OURS = (sys.executable, '-m', 'mm_perception.node', '--ros-args', '-p', 'autostart:=true')
USUAL = (sys.executable, str(HERE / 'usual_node.py'))
TOPICS = ('/mm_perception/prediction', '/usual_node/prediction')
_PATIENCE = 300.0
SETTLE = 3.0  # seconds that are not counted: discovery, first frame periods
NS = 1e9


@dataclass(frozen=True)
class Rate:
    """What a node gave in one run.

    Attributes:
        rate: Labels a second.
        ages: p50, p95, p99 in ms, from the capture of the older image behind a label to the label's
            arrival at a subscriber.
        processor: Milliseconds of processor time that the node's process took, a label.
        memory: Its resident memory in MiB.
        stages: p50, p95, p99 in ms by stage, of a node that tells them.

    """

    rate: float
    ages: tuple[float, float, float]
    processor: float
    memory: float
    stages: dict[str, tuple[float, float, float]]


def ours(bundle: Path, engine: str, precision: str) -> list[str]:
    """Give the command of our node."""
    settings = {'model': str(bundle), 'engine': engine, 'precision': precision, 'device': 'cpu'}
    return [*OURS, *(word for k, v in settings.items() for word in ('-p', f'{k}:={v}'))]


def live_rate(command: Sequence[str], seconds: float, hertz: float = 30.0) -> Rate:
    """Run a node before a camera of 640 × 480 pixels."""
    environment = live_environment(private_domain())
    with process_of(command, environment) as node, listening(*TOPICS) as (heard, spin):
        assert node.stdout is not None
        told = next((line for line in node.stdout if 'active on' in line), '')
        assert told, 'the node did not become active'
        process = psutil.Process(node.pid)
        camera = [sys.executable, str(HERE / 'steady_camera.py'), str(hertz)]
        with process_of(camera, environment):
            until(spin, lambda: bool(heard))
            spin_for(spin, SETTLE)
            heard.clear()
            before, start = sum(process.cpu_times()[:2]), time.monotonic()
            spin_for(spin, seconds)
            spent, took = sum(process.cpu_times()[:2]) - before, time.monotonic() - start
            memory = process.memory_info().rss / 2**20
    by_stage = {name: [each[name] for each in heard] for name in heard[0] if name != 'camera'}
    stages = {stage: percentiles(values) for stage, values in by_stage.items()}
    return Rate(len(heard) / took, stages.pop('age'), 1e3 * spent / len(heard), memory, stages)


def percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Give p50, p95 and p99."""
    p50, p95, p99 = np.percentile(values, (50, 95, 99)).tolist()
    return p50, p95, p99


def table(backbone: str, rates: Mapping[str, Rate]) -> None:
    """Print what was measured, the first being what the others are compared with."""
    first = next(iter(rates.values()))
    shown = Table(
        title=f'{backbone}, 30 pairs a second, {processors()} of {processor_name()}',
        title_justify='left',
        caption='processor: milliseconds of it for a label; ratio: of the first row to this',
        caption_justify='left',
    )
    for name in ('node', 'labels/s', 'age p50 / p95 / p99, ms', 'processor', 'ratio', 'MiB'):
        shown.add_column(name, justify='left' if name == 'node' else 'right')
    for name, rate in rates.items():
        shown.add_row(
            name,
            f'{rate.rate:.1f}',
            ' / '.join(f'{age:.0f}' for age in rate.ages),
            f'{rate.processor:.1f}',
            f'{first.processor / rate.processor:.1f}',
            f'{rate.memory:.0f}',
        )
    console = Console(width=110)
    console.print(shown)
    told = {name: rate.stages for name, rate in rates.items() if rate.stages}
    where = Table(
        title='where the time goes, ms p50 / p95 / p99',
        title_justify='left',
        caption='latency: from the arrival of the newer image to the label; inference: of that, '
        'from prepare to classify',
        caption_justify='left',
    )
    where.add_column('stage')
    for name in told:
        where.add_column(name, justify='right')
    for stage in next(iter(told.values())):
        spent = [' / '.join(f'{ms:.1f}' for ms in stages[stage]) for stages in told.values()]
        where.add_row(stage, *spent)
    console.print(where)


@contextmanager
def process_of(
    command: Sequence[str], environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run a command meanwhile."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def listening(*topics: str) -> Iterator[tuple[list[dict[str, float]], Any]]:
    """Take each label's age and what its stages took, in ms, and which topic it came by."""
    context = Context()
    rclpy.init(context=context, domain_id=private_domain())
    node = rclpy.create_node('listener', context=context)
    heard: list[dict[str, float]] = []

    def hear(message: Any, camera: int) -> None:
        now = time.time_ns()
        values = {pair.key: pair.value for pair in message.status[0].values}
        stamps = [int(values[k]) for k in ('rgb_stamp', 'depth_stamp') if k in values]
        told = {k.removesuffix('_ms'): float(values[k]) for k in values if k.endswith('_ms')}
        heard.append({'camera': camera, 'age': 1e3 * (now - min(stamps)) / NS, **told})

    for camera, topic in enumerate(topics):
        node.create_subscription(DiagnosticArray, topic, partial(hear, camera=camera), 10)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield heard, executor.spin_once
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def spin_for(spin: Any, seconds: float) -> None:
    """Hear what is said for so many seconds."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        spin(timeout_sec=left)


def until(spin: Any, true: Any) -> None:
    """Hear what is said until something is true."""
    end = time.monotonic() + _PATIENCE
    while not true():
        assert time.monotonic() < end, 'no label came'
        spin(timeout_sec=0.1)
