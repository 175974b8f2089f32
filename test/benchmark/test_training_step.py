# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a training step costs: VAE's beside Pixyz and Pyro, and SS-HMVAE-kl's by what bounds it.

``make bench`` prints both tables; alone they are ``pytest test/benchmark/test_training_step.py``.
All that is compared runs in one process, round by round in turn, and medians are compared. On the
CPU it is one thread's own time, so that whatever else the machine does is not counted; on a GPU
it is the time until the device is done.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from peers import LIBRARIES
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from mm_perception.models import (
    Autoencoder,
    AutoencoderSettings,
    ModelSettings,
    SemiSupervised,
    build_autoencoder,
    build_model,
)
from training.fitting.step import Compiling, TrainingStep

pytestmark = [
    pytest.mark.timeout(3600),  # compiling takes a minute a shape on a slow machine
    pytest.mark.usefixtures('one_thread'),
]
DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
OURS, COMPILED, PIXYZ = 'ours', 'ours, compiled', 'Pixyz 0.3.3'
PAPER = {(z, hidden, 128) for z in (10, 30) for hidden in (400, 2000)}
LAUNCHES = (10, 400, 1)  # nearly no arithmetic: what is left is the overhead of launching
EPOCHS, STEPS_AN_EPOCH = 500, 117
NETWORKS = {
    'mnist': ({'x': 392, 'w': 392}, 10, (100, 512)),
    'rgbd': ({'x': 4096, 'w': 4096}, 51, (128, 128)),
}


def clock() -> float:
    """Seconds: of this process on the CPU; passed, on a GPU."""
    if DEVICE.type == 'cuda':
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def in_turn(steps: dict[str, Callable[[], Any]], rounds: int, repeats: int) -> dict[str, float]:
    """Median milliseconds of each step."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for one in steps.values():
        for _ in range(4):
            one()
    for _ in range(rounds):
        for name, one in steps.items():
            began = clock()
            for _ in range(repeats):
                one()
            found[name].append((clock() - began) / repeats * 1e3)
    return {name: statistics.median(times) for name, times in found.items()}


def peak() -> float:
    """GFLOP/s of a large float32 matrix product: the most that this machine computes."""
    n = 1500 if DEVICE.type == 'cpu' else 8192
    left, right = torch.rand(2, n, n, device=DEVICE)
    ms = in_turn({'product': lambda: left @ right}, rounds=15, repeats=1)['product']
    return 2 * n**3 / ms / 1e6


def stepping(model: Autoencoder | SemiSupervised, compiling: Compiling) -> TrainingStep:
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    return TrainingStep(model.objective, optimizer, compiling)


def vae(hidden: int, z: int, compiling: Compiling) -> TrainingStep:
    settings = AutoencoderSettings(
        name='vae',
        modalities={'x': 784},
        likelihoods={'x': 'bernoulli'},
        hidden=hidden,
        z=z,
        layers=1,
        variance='softplus',
    )
    return stepping(build_autoencoder(settings).to(DEVICE), compiling)


def vae_steps(z: int, hidden: int, batch: int) -> dict[str, Callable[[], Any]]:
    x = torch.rand(batch, 784, device=DEVICE)
    ours, compiled = (vae(hidden, z, compiling) for compiling in ('off', 'on'))
    for _ in range(2):
        compiled({'x': x})
    steps: dict[str, Callable[[], Any]] = {OURS: lambda: ours({'x': x})}
    if compiled.compiled:
        steps[COMPILED] = lambda: compiled({'x': x})
    for name, (module, build) in LIBRARIES.items():
        if importlib.util.find_spec(module):
            theirs = build(hidden, z, DEVICE)
            steps[name] = lambda theirs=theirs: theirs(x)  # type: ignore[misc]
    return steps


def test_a_compiled_step_is_the_plain_one_but_for_rounding() -> None:
    x = torch.rand(128, 784, device=DEVICE)
    found = []
    for compiling in ('off', 'on'):
        torch.manual_seed(0)
        step = vae(400, 10, compiling)
        found.append([step({'x': x}) for _ in range(8)])
    if not step.compiled:
        pytest.skip('nothing here compiles')
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-4)


def test_a_vae_step_takes_less_than_pixyz(console: Console) -> None:
    sizes = [*sorted(PAPER, key=lambda size: (size[1], size[0])), LAUNCHES]
    found = {size: in_turn(vae_steps(*size), rounds=25, repeats=4) for size in sizes}
    names = [OURS, COMPILED, *LIBRARIES]
    table = Table(title=f'One VAE step on MNIST, ms on {DEVICE.type}', title_justify='left')
    for head in ('z', 'hidden', 'batch', *names, 'ours / Pixyz', 'compiled / Pixyz'):
        table.add_column(head, justify='right')
    for size, ms in found.items():
        ratios = [ms[o] / ms[PIXYZ] if {o, PIXYZ} <= set(ms) else None for o in (OURS, COMPILED)]
        cells = [*(ms.get(name) for name in names), *ratios]
        table.add_row(*map(str, size), *('–' if c is None else f'{c:.2f}' for c in cells))
    console.print(table)
    if absent := [name for name in names if any(name not in ms for ms in found.values())]:
        console.print(f'Left out, as not installed: {", ".join(absent)}')
    for size, ms in found.items():
        if PIXYZ in ms:
            assert ms[OURS] < 0.9 * ms[PIXYZ], size
    if {COMPILED, PIXYZ} <= set(found[LAUNCHES]):
        assert found[LAUNCHES][COMPILED] <= 0.5 * found[LAUNCHES][PIXYZ]


@dataclass
class Cost:
    """What a step takes, beside time.

    Attributes:
        gflop: Of its matrix products.
        megabytes: Of weights, gradients, Adam's moments, and what waits for the gradient.
        products: The matrix products' share of the processor's time.

    """

    gflop: float
    megabytes: float
    products: float


def batch_of(networks: str) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
    dimensions, classes, (N, M) = NETWORKS[networks]
    labelled, unlabelled = (
        {m: torch.rand(rows, d, device=DEVICE) for m, d in dimensions.items()} for rows in (N, M)
    )
    return labelled, torch.arange(N, device=DEVICE) % classes, unlabelled


def ss_hmvae_kl(networks: str, way: str) -> SemiSupervised:
    torch.manual_seed(0)
    dimensions, classes, _ = NETWORKS[networks]
    settings = ModelSettings.model_validate(
        {
            'name': 'ss_hmvae_kl',
            'networks': networks,
            'modalities': dimensions,
            'classes': classes,
            'label_inference': way,
        }
    )
    return build_model(settings).to(DEVICE)


def cost_of(model: SemiSupervised, batch: tuple[Any, ...]) -> Cost:
    step = stepping(model, 'off')
    step(*batch)
    with FlopCounterMode(display=False) as counter:
        step(*batch)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _ = model.objective(*batch)
    weights = sum(parameter.numel() * 4 for parameter in model.parameters())
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    del loss
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(3):
            step(*batch)
    times = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    products = sum(times.get(f'aten::{name}', 0) for name in ('mm', 'addmm', 'bmm'))
    return Cost(
        gflop=counter.get_total_flops() / 1e9,
        megabytes=(4 * weights + sum(kept.values())) / 1e6,
        products=products / sum(times.values()),
    )


def milliseconds(networks: str, way: str, *, compile_too: bool) -> dict[str, float]:
    batch = batch_of(networks)
    steps = {OURS: stepping(ss_hmvae_kl(networks, way), 'off')}
    if compile_too:
        compiled = stepping(ss_hmvae_kl(networks, way), 'on')
        for _ in range(2):
            compiled(*batch)
        steps |= {COMPILED: compiled} if compiled.compiled else {}
    return in_turn({name: partial(one, *batch) for name, one in steps.items()}, rounds=9, repeats=1)


def test_the_step_of_ss_hmvae_kl_is_bound_by_its_matrix_products(console: Console) -> None:
    table = Table(title=f'One step of SS-HMVAE-kl on {DEVICE.type}', title_justify='left')
    for head in ('networks', 'items', 'hidden label', OURS, COMPILED, 'ratio'):
        table.add_column(head, justify='right')
    for head in ('GFLOP', 'GFLOP/s', 'products', 'MB'):
        table.add_column(head, justify='right')
    ways = [('mnist', 'gumbel'), ('mnist', 'local_expectation'), ('mnist', 'sum')]
    found = {}
    for case in [*ways, ('rgbd', 'gumbel')]:
        cost = cost_of(ss_hmvae_kl(*case), batch_of(case[0]))
        ms = milliseconds(*case, compile_too=case[1] == 'gumbel')
        found[case] = cost, ms
        table.add_row(
            case[0],
            ' + '.join(map(str, NETWORKS[case[0]][2])),
            case[1],
            f'{ms[OURS]:.0f} ms',
            f'{ms[COMPILED]:.0f} ms' if COMPILED in ms else '–',
            f'{ms[COMPILED] / ms[OURS]:.2f}' if COMPILED in ms else '–',
            f'{cost.gflop:.1f}',
            f'{cost.gflop / min(ms.values()) * 1e3:.0f}',
            f'{cost.products:.0%}',
            f'{cost.megabytes:.0f}',
        )
    console.print(table)
    most, (cost, ms) = peak(), found['mnist', 'gumbel']
    hours = EPOCHS * STEPS_AN_EPOCH / 3600
    console.print(
        f'A full run on MNIST, {EPOCHS * STEPS_AN_EPOCH:,} steps:'
        f' {min(ms.values()) / 1e3 * hours:.1f}'
        f' h; its matrix products alone, at the {most:.0f} GFLOP/s of a large one:'
        f' {cost.gflop / most * hours:.1f} h.',
    )
    if DEVICE.type == 'cpu':
        assert all(cost.products > 0.4 for cost, _ in found.values())
