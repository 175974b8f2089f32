# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a frame costs on its way from a recording to a model, and whether memory stays flat.

``make bench`` prints the tables; alone they are ``pytest -s test/benchmark/test_extraction.py``.
A device beside the processors is stood in for by one that sleeps, as a GPU leaves them alone; the
plain loop and the reading ahead take turns in one process, and medians are compared.
"""

from __future__ import annotations

import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import torch
from recorder import PERIOD, START, image, record
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file, save_file

from mm_perception.engines.candidates import processors
from mm_perception.features import BackboneSettings
from mm_perception.observation import Modality
from mm_perception.pipeline import Pipeline, PipelineSettings
from training.features.dataset import Dataset, Extractor, Rows, Source
from training.features.reading import Reading
from training.fitting.climb import Progress, Run
from training.fitting.fit import fit
from training.recipe import Optimisation, Recipe
from training.recordings.bags import find_recordings
from training.recordings.sources import BagSource

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures('one_thread')]
FRAMES = 40  # in a recording, VGA
BUSY = 3.5  # milliseconds a frame of the device that sleeps
DEVICES = {'cpu': 1, 'beside': 2}  # and how many times the recordings are read for it
ROUNDS = 3
SMALL_FIT = Recipe(
    model={'name': 'ss_hmvae_kl', 'widths': {'hidden': 32, 'a': 16, 'z': 16}},
    optimisation=Optimisation(epochs=1),
)
RGB, DEPTH = '/camera/rgb/image_raw', '/camera/depth_registered/image_raw'


def vga(frames: int) -> Iterator[Any]:
    noise = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(noise.integers(0, 256, (480, 640, 3), np.uint8), (0, 0), 3)
    far = cv2.GaussianBlur(noise.integers(600, 1800, (480, 640)).astype(np.uint16), (0, 0), 5)
    for number in range(frames):
        time_ns = START + number * PERIOD
        yield image(RGB, time_ns, np.roll(smooth, 3 * number, 1), 'rgb8')
        yield image(DEPTH, time_ns + 1000, np.roll(far, 3 * number, 1), '16UC1')


@pytest.fixture(scope='module')
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Four recordings."""
    folder = tmp_path_factory.mktemp('recordings')
    for name in 'abcd':
        record(folder / name, vga(FRAMES), 'mcap')
    return [BagSource(found) for found in find_recordings([folder])]


class Beside:
    """Stands in for a GPU: it takes its time, and no processor's."""

    name = 'beside'

    def __init__(self, pipeline: Pipeline) -> None:
        self._dimensions = pipeline.dimensions

    def __call__(self, images: Any, _wanted: Any = None) -> dict[Modality, torch.Tensor]:
        rows = len(next(iter(images.values()), ()))
        time.sleep(rows * BUSY / 1e3)
        return {m: torch.zeros(rows, self._dimensions[m]) for m in images}


def pipeline_of(device: str) -> Pipeline:
    backbone = BackboneSettings(name='squeezenet1_0', weights='random')
    pipeline = Pipeline(PipelineSettings(backbones=dict.fromkeys(Modality, backbone)))
    if device != 'cpu':
        pipeline.engine = Beside(pipeline)  # type: ignore[assignment]
    return pipeline


def extract(pipeline: Pipeline, sources: list[Source], cache: Path, readers: int) -> int:
    shutil.rmtree(cache, ignore_errors=True)
    extractor = Extractor(pipeline, cache, every=1)
    extractor.readers, extractor.patience = readers, 0
    extractor(sources)
    return extractor.computed


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Watch how many bytes this process and those below it hold at most at a time.

    Pages that several share count for each of them.
    """
    peak, done = [0], threading.Event()
    this = psutil.Process()

    def resident(process: psutil.Process) -> int:
        try:
            return int(process.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def watch() -> None:
        while not done.wait(0.05):
            family = [this, *this.children(recursive=True)]
            peak[0] = max(peak[0], sum(map(resident, family)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def test_reading_ahead_against_the_plain_loop(
    sources: list[Source], tmp_path: Path, console: Console
) -> None:
    reading = seconds(lambda: [list(Reading(s, 1, PipelineSettings())) for s in sources])
    most = max(processors(), 1)
    table = Table(title=f'Frames/s on {processors()} processors', title_justify='left')
    for head in ('device', 'frames', 'plain', *(f'{n} readers' for n in range(1, most + 1))):
        table.add_column(head, justify='right')
    for device, times in DEVICES.items():
        pipeline, used = pipeline_of(device), times * sources
        work = {n: partial(extract, pipeline, used, tmp_path / 'c', n) for n in range(most + 1)}
        found: dict[int, list[float]] = {readers: [] for readers in work}
        work[most]()  # the first start is the slowest
        for _ in range(ROUNDS):
            for readers, one in work.items():
                found[readers].append(seconds(one))
        frames = len(used) * FRAMES
        plain, *ahead = (frames / statistics.median(took) for took in found.values())
        ratios = (f'{each:.0f} ({each / plain:.2f})' for each in ahead)
        table.add_row(device, str(frames), f'{plain:.0f}', *ratios)
        assert max(ahead) > 0.5 * plain, device
    console.print(table)
    console.print(
        f'Reading and preparing takes {1e3 * reading / len(sources) / FRAMES:.1f} ms a frame; the '
        f'device beside the processors {BUSY} ms.'
    )


def test_memory_stays_flat_and_cost_linear(tmp_path: Path, console: Console) -> None:
    pipeline = pipeline_of('beside')
    size = sum(pipeline.dimensions.values()) * 4 + 2 * 72 * 72 * 3
    table = Table(title='1, 4 and 16 times the frames', title_justify='left')
    for head in ('frames', 'readers', 'ms a frame', 'peak MB, all processes', 'rows MB'):
        table.add_column(head, justify='right')
    peaks: dict[tuple[int, int], int] = {}
    for times in (1, 4, 16):
        folder = tmp_path / str(times)
        record(folder / 'one', vga(FRAMES * times), 'mcap')
        one = [BagSource(found) for found in find_recordings([folder])]
        for readers in (0, 1):
            with peak_memory() as peak:
                took = seconds(lambda o=one, r=readers: extract(pipeline, o, tmp_path / 'c', r))
            peaks[times, readers] = peak[0]
            frames = FRAMES * times
            table.add_row(
                str(frames),
                str(readers),
                f'{1e3 * took / frames:.1f}',
                f'{peak[0] / 1e6:.0f}',
                f'{frames * size / 1e6:.0f}',
            )
        shutil.rmtree(folder)
    console.print(table)
    for readers in (0, 1):
        grown = peaks[16, readers] - peaks[4, readers]
        # Twelve times the first recording's images would be 740 MB.
        assert grown < 2 * 12 * FRAMES * size + 100e6, os.linesep.join(map(str, peaks.items()))


def anonymous() -> int:
    """Count the bytes of memory that no file stands behind, and the kernel cannot drop."""
    lines = Path('/proc/self/smaps_rollup').read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith('Anonymous:'))


def test_fit_leaves_the_features_on_disk(tmp_path: Path, console: Console) -> None:
    table = Table(title='A fit of VGG16 features, 250 rows a recording', title_justify='left')
    for head in ('recordings', 'rows MB', 'memory MB', 'ms a step'):
        table.add_column(head, justify='right')
    sizes = {str(m): 4096 for m in Modality}
    grown: dict[int, int] = {}
    for recordings in (4, 16, 64):
        rows = [mapped(tmp_path / f'{number}', sizes, number) for number in range(recordings)]
        dataset = Dataset(tuple(rows), tuple((str(n % 2),) * 250 for n in range(recordings)))
        data, steps = dataset.training_data(('0', '1')), [0]
        peak = before = anonymous()

        def watch(_: Progress) -> None:
            nonlocal peak
            steps[0] += 1  # noqa: B023 - called in this round only
            peak = max(peak, anonymous())

        took = seconds(lambda: fit(data, SMALL_FIT, Run(torch.device('cpu'), report=watch)))  # noqa: B023 - likewise
        grown[recordings] = peak - before
        held = recordings * 250 * 4 * sum(sizes.values())
        table.add_row(
            str(recordings),
            f'{held / 1e6:.0f}',
            f'{grown[recordings] / 1e6:.0f}',
            f'{1e3 * took / steps[0]:.0f}',
        )
    console.print(table)
    assert grown[64] - grown[4] < 0.1 * held


def mapped(file: Path, sizes: dict[str, int], seed: int) -> Rows:
    """Give rows as the extractor does, from the file where it has put them."""
    torch.manual_seed(seed)
    if not file.is_file():
        save_file({name: torch.rand(250, size) for name, size in sizes.items()}, file)
    return Rows(file.name, torch.arange(250), load_file(file), {})
