# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How far an inference is from what the device could do: its operations, and the bytes it moves.

``pytest -s test/benchmark/test_floor.py`` prints the table, of the GPU where there is one, and then
also what several cameras take. The floor of a layer is the longer of two times: its multiplications
at the pace of a large matrix product, and its weights, input and output at the pace of a large
copy, both measured in the same run. Preprocessing, the model and what lies between the layers are
no part of it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from mm_perception.engines import Candidate, Engine, Workload, build, made_pictures, processors
from mm_perception.engines.graph_engine import GraphEngine
from mm_perception.engines.openvino_runtime import is_installed
from mm_perception.features import BackboneSettings
from mm_perception.gpu.in_one_piece import InOnePiece
from mm_perception.head import Head
from mm_perception.inference import Inference, InStages
from mm_perception.models import ModelSettings
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.pipeline import Pipeline, PipelineSettings

pytestmark = pytest.mark.timeout(900)
RGB, DEPTH = Modality.RGB, Modality.DEPTH
GPU = torch.cuda.is_available()
DEVICE = torch.device('cuda' if GPU else 'cpu')
CAMERAS, RATE = 16, 30
TYPES = {'float32': torch.float32, 'bfloat16': torch.bfloat16}


def always(_: Modality) -> bool:
    return True


def milliseconds(work: Callable[[], object], times: int = 50 if GPU else 5) -> list[float]:
    """Measure each of several calls, to the end of what the device does for it."""
    took = []
    for number in range(times + 3):
        start = time.perf_counter()
        work()
        if GPU:
            torch.cuda.synchronize()
        if number > 2:
            took.append(1e3 * (time.perf_counter() - start))
    return took


def paces(dtype: torch.dtype) -> tuple[float, float]:
    """Give operations and bytes a millisecond."""
    side, count = (8192, 1 << 30) if GPU else (1024, 1 << 26)
    square = torch.ones(side, side, dtype=dtype, device=DEVICE)
    source = torch.zeros(count, dtype=torch.uint8, device=DEVICE)
    target = torch.empty_like(source)
    product = min(milliseconds(lambda: square @ square))
    copy = min(milliseconds(lambda: target.copy_(source)))
    return 2 * side**3 / product, 2 * count / copy


def floor(network: nn.Module, image: Tensor, dtype: torch.dtype) -> tuple[float, float, float]:
    """Give operations, bytes, and the least milliseconds that they take layer by layer."""
    operations, moved = paces(dtype)
    layers: list[tuple[float, float]] = []

    def count(layer: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        weights = next(layer.parameters()).numel()
        places = found.numel() // found.shape[1]
        items = weights + given[0].numel() + found.numel()
        layers.append((2 * weights * places, items * dtype.itemsize))

    hooks = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    with torch.inference_mode():
        network(image)
    for hook in hooks:
        hook.remove()
    least = sum(max(done / operations, size / moved) for done, size in layers)
    return sum(done for done, _ in layers), sum(size for _, size in layers), least


def seen(number: int) -> Observation:
    random = np.random.default_rng(number)
    metres = random.uniform(0.5, 2, (480, 640)).astype(np.float32)
    metres[random.random(metres.shape) < 0.1] = np.nan
    colour = random.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    return Observation.of(Frame(RGB, 1, 'eye', colour), Frame(DEPTH, 1, 'eye', metres))


def ways(pipeline: Pipeline, head: Head, engine: Engine) -> dict[str, Inference]:
    pipeline.engine = engine
    found: dict[str, Inference] = {'in stages': InStages(pipeline, head)}
    if isinstance(engine, GraphEngine):
        found['in one piece'] = InOnePiece(pipeline.settings, engine.networks, head)
    return found


def test_how_far_from_the_floor(console: Console) -> None:
    spec = BackboneSettings(name='vgg16', weights='random')
    pipeline = Pipeline(PipelineSettings(backbones=dict.fromkeys(Modality, spec)))
    sizes = {str(m): size for m, size in pipeline.dimensions.items()}
    head = Head(ModelSettings(name='ss_hmvae_kl', modalities=sizes, classes=51)).eval().to(DEVICE)
    pipeline.to(DEVICE)
    work = Workload(pipeline.backbones, made_pictures(Modality, 148), {})
    where = torch.cuda.get_device_name() if GPU else f'{processors()} processors'
    table = Table(title=f'VGG16 twice and SS-HMVAE-kl, 640×480 pixels to label, {where}')
    for title in ('', 'floor', 'features', 'in all p50 / p99', *[f'{CAMERAS} cameras'] * GPU):
        table.add_column(title, justify='right')
    engines = ['torch', 'cudagraph'] if GPU else ['torch', *['openvino'] * is_installed()]
    for precision, dtype in TYPES.items():
        image = torch.from_numpy(work.images[RGB][:1]).to(DEVICE)
        least = floor(work.folded[RGB].converted(dtype), image, dtype)
        count, size, lowest = (len(Modality) * each for each in least)
        told = f'{lowest:.2f} ms\n{count / 1e9:.0f} GFLOP, {size / 1e6:.0f} MB'
        for name in engines:
            engine = build(Candidate(name, precision), work)  # type: ignore[arg-type]
            one: Any = {m: each[:1] for m, each in work.images.items()}
            features = statistics.median(milliseconds(lambda e=engine, o=one: e(o)))
            assert features > 0.5 * lowest, 'faster than the device: the floor is wrong'
            for way, inference in ways(pipeline, head, engine).items():
                items = [seen(n) for n in range(CAMERAS)]

                def label(observations: list[Observation], by: Inference = inference) -> None:
                    prepared = [by.prepare(each) for each in observations]
                    by.judge(prepared, [always] * len(prepared))

                took = milliseconds(lambda i=items, by=label: by(i[:1]))
                cells = [
                    f'{name} {precision}\n{way}',
                    told,
                    f'{features:.2f} ms, {features / lowest:.1f}×',
                    f'{statistics.median(took):.2f} / {np.quantile(took, 0.99):.2f} ms',
                ]
                if GPU:
                    together = statistics.median(milliseconds(lambda i=items, by=label: by(i)))
                    cells.append(f'{together:.1f} ms of {1e3 / RATE:.0f}')
                table.add_row(*cells)
    console.print(table)
