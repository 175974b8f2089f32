# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""An hour of frames, sped up, with losses of each sensor mixed in: nothing grows, nothing tires.

What could grow, and its bound: the images that wait for the executor (the middleware keeps 1 a
stream), the frames that wait for a partner (`pairing`, 10 a sensor) or a judgement (`health`, 11
times of arrival), the observations that wait for inference (`worker`, 1), the figures of recent
labels (`watch`, 100), and what was published and not yet sent (10 a topic).
"""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ledger import Ledger, Row
from machine import Machine
from outside import DOMAIN, NodeProcess, Outside, until
from sensor_msgs.msg import Image
from trial import HERE, machine_of, threads

from training.live.environment import live_environment

HOUR = 108_000  # pairs
NAMESPACE = '/endured'
RATE = 250.0  # pairs a second
WARM = 2.0  # seconds, in which all that is made once has been made
MEMORY = 1.02  # times as much, at most, at the end
SLOWER = 1.5  # times
TENTHS = 10
SLOP = 50_000_000  # ns, the node's default
SUMS = ('rss', 'anonymous')  # the proportional sum changes with the other processes, too

Heard = tuple[int, int, float, str]
"""A label: how many observations were taken before, when it came, its latency in ms, its mode."""


@dataclass(frozen=True)
class Sample:
    """The node at a moment; memory in KiB.

    Attributes:
        seconds: Since the beginning.
        taken: Observations that went to inference or gave way to newer ones.
        rss: Resident memory.
        pss: The same, with the shared part divided by those that share it.
        anonymous: What lies in no file: heaps and stacks.
        threads: How many.
        files: How many file descriptors.

    """

    seconds: float
    taken: int
    rss: int
    pss: int
    anonymous: int
    threads: int
    files: int


@dataclass
class Ear:
    """What the node says; nothing but figures is kept."""

    labels: list[Heard] = field(default_factory=list)
    pictures: int = 0
    replaced: int = 0
    broken: list[str] = field(default_factory=list)
    _last: tuple[int, str] = 0, ''

    @property
    def taken(self) -> int:
        return len(self.labels) + self.replaced

    def on_label(self, message: Any) -> None:
        (status,) = message.status
        values = {pair.key: pair.value for pair in status.values}
        stamps = [int(values[key]) for key in ('rgb_stamp', 'depth_stamp') if key in values]
        mode = values['mode']
        if len(stamps) != 1 + (mode == 'rgbd') or max(stamps) - min(stamps) > SLOP:
            self.broken.append(f'{mode} of {stamps}')
        # One image may be labelled alone, and again with its partner that came late.
        if max(stamps) < self._last[0] or (max(stamps), mode) == self._last:
            self.broken.append(f'{mode} of {stamps} after {self._last}')
        self._last = max(stamps), mode
        self.labels.append((self.taken, time.time_ns(), float(values['latency_ms']), mode))

    def on_picture(self, _: Any) -> None:
        self.pictures += 1

    def on_report(self, message: Any) -> None:
        for status in message.status:
            if status.name == f'{NAMESPACE}/mm_perception: latency':
                values = {pair.key: pair.value for pair in status.values}
                self.replaced = int(values['replaced_observations'])


def measure(pid: int, begun: float, taken: int) -> Sample:
    """Look at a process."""
    rollup = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]
    size = {line.split(':')[0]: int(line.split()[1]) for line in rollup}
    files = len(list(Path(f'/proc/{pid}/fd').iterdir()))
    seconds = round(time.monotonic() - begun, 2)
    return Sample(seconds, taken, size['Rss'], size['Pss'], size['Anonymous'], threads(pid), files)


@contextmanager
def listening(outside: Outside) -> Iterator[Ear]:
    ear, node = Ear(), f'{NAMESPACE}/mm_perception'
    made = [
        outside.node.create_subscription(DiagnosticArray, f'{node}/prediction', ear.on_label, 10),
        outside.node.create_subscription(Image, f'{node}/annotated', ear.on_picture, 1),
        outside.node.create_subscription(DiagnosticArray, '/diagnostics', ear.on_report, 10),
    ]
    try:
        yield ear
    finally:
        for subscription in made:
            outside.node.destroy_subscription(subscription)


@contextmanager
def living_fast(rate: float) -> Iterator[None]:
    command = [sys.executable, str(HERE / 'endurance_camera.py'), NAMESPACE, str(rate)]
    environment = live_environment(DOMAIN)
    environment['PYTHONPATH'] += f':{HERE.parent}'
    process = subprocess.Popen(command, env=environment)
    try:
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def p95(labels: Sequence[Heard], machine: Machine | None = None) -> float:
    """The latency that 95 % keep to, in ms; less what a machine kept the node waiting."""
    waits = [
        0.0 if machine is None else machine.kept_waiting_ms(at - round(latency * 1e6), at)
        for _, at, latency, _ in labels
    ]
    net = [max(0.0, heard[2] - wait) for heard, wait in zip(labels, waits, strict=True)]
    return statistics.quantiles(net, n=20)[-1]


def slowed(early: Sequence[Heard], late: Sequence[Heard], machine: Machine) -> float:
    """How many times as long the late ones took; what the machine did explains some of it.

    All threads' waits count, of which a label had to bear but some: so without them alone a
    machine that becomes calm would look like a node that becomes slow.
    """
    return min(p95(late) / p95(early), p95(late, machine) / max(p95(early, machine), 1.0))


def write(path: Path, samples: Sequence[Sample]) -> None:
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow([one.name for one in fields(Sample)])
        writer.writerows(astuple(sample) for sample in samples)


@pytest.mark.parametrize(
    'pairs',
    [
        pytest.param(1_000, id='half a minute'),
        pytest.param(HOUR, id='an hour', marks=[pytest.mark.long, pytest.mark.timeout(7200)]),
    ],
)
def test_neither_memory_nor_threads_nor_files_nor_latency_grow(
    outside: Outside,
    ledger: Ledger,
    ledger_folder: Path,
    tmp_path: Path,
    bundle: Path,
    pairs: int,
) -> None:
    arguments = ['-p', f'model:={bundle}', '-p', 'autostart:=true']
    node = NodeProcess(tmp_path / 'node.log', *arguments, namespace=NAMESPACE)
    pid, samples = node.process.pid, []
    try:
        node.says('active on')
        with listening(outside) as ear, living_fast(RATE), machine_of(pid, tmp_path) as machine:
            until(lambda: ear.labels and ear.pictures, 'a label and a picture')
            time.sleep(WARM)
            begun, before = time.monotonic(), ear.taken
            first = len(ear.labels)
            while (taken := ear.taken - before) < pairs:
                samples.append(measure(pid, begun, taken))
                assert node.process.poll() is None, node.text()
                assert time.monotonic() - begun < 300 + pairs / 20, f'{taken} pairs only'
                time.sleep(0.5 if pairs < HOUR else 2.0)
            samples.append(measure(pid, begun, taken))
            labels = [(n - before, *rest) for n, *rest in ear.labels[first:]]
    finally:
        node.kill()
        write(ledger_folder / f'endurance_{pairs}.csv', samples)
    early = next(sample for sample in samples if sample.taken >= pairs / TENTHS)
    late = samples[-1]
    part = pairs / (TENTHS if pairs == HOUR else 2)  # a machine's one pause must not be all of it
    ends = [x for x in labels if x[0] <= part], [x for x in labels if x[0] >= pairs - part]
    growth = {name: getattr(late, name) / getattr(early, name) for name in SUMS}
    shown = ', '.join(f'{name} {1e2 * (by - 1):+.2f} %' for name, by in growth.items())
    told = (
        f'{pairs:,} pairs in {late.seconds:.0f} s: {shown} from {early.rss / 1024:.0f} MiB; '
        f'latency p95 {p95(ends[0]):.0f} to {p95(ends[1]):.0f} ms'
    )
    promise = 'memory within 2 %; threads, files, latency as at first'
    ledger.add(Row('process', told, promise, len(labels), len(ear.broken)))
    assert not ear.broken, ear.broken
    assert {mode for *_, mode in labels} == {'rgbd', 'rgb', 'depth'}
    assert all(by <= MEMORY for by in growth.values()), told
    assert late.threads == early.threads
    assert late.files == early.files
    assert slowed(*ends, machine) <= SLOWER, told
