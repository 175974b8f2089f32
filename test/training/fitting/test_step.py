# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A training step: the same step however it is computed.

What the compiler makes of a step is held to the same in ``test/benchmark``, where a minute of
compiling does not matter.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._inductor import config as inductor

from mm_perception.models import (
    Autoencoder,
    AutoencoderSettings,
    ModelSettings,
    SemiSupervised,
    Widths,
    build_autoencoder,
    build_model,
)
from training.fitting.step import LONG, Compiling, TrainingStep

DIMENSIONS = {'x': 5, 'w': 4}


def model() -> SemiSupervised:
    torch.manual_seed(0)
    return build_model(
        ModelSettings(
            name='ss_hmvae_kl',
            networks='mnist',
            modalities=DIMENSIONS,
            classes=3,
            widths=Widths(hidden=8, a=4, z=2),
        )
    )


def batch(it: SemiSupervised, N: int = 3, M: int = 6) -> tuple[dict[str, Tensor], ...]:
    items = {m: torch.rand(N + M, d) for m, d in it.modalities.items()}
    labelled = {m: rows[:N] for m, rows in items.items()}
    return labelled, torch.arange(N) % 3, {m: rows[N:] for m, rows in items.items()}


def vae() -> Autoencoder:
    torch.manual_seed(0)
    return build_autoencoder(
        AutoencoderSettings(
            name='vae', modalities={'x': 5}, likelihoods={'x': 'bernoulli'}, hidden=8, z=2, layers=1
        )
    )


def stepping(
    it: SemiSupervised | Autoencoder, compiling: Compiling, steps: int = 0
) -> TrainingStep:
    optimizer = torch.optim.Adam(it.parameters(), 1e-2, fused=True)
    return TrainingStep(it.objective, optimizer, compiling, steps)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv('TORCHINDUCTOR_CACHE_DIR', str(tmp_path))
    with inductor.patch({'cpp.cxx': (None, 'no-such-compiler'), 'force_disable_caches': True}):
        yield
    torch.compiler.reset()


def test_a_step_is_the_objective_its_gradient_and_the_optimizer() -> None:
    by_step, by_hand = model(), model()
    data = batch(by_hand)
    step = stepping(by_step, 'off')
    optimizer = torch.optim.Adam(by_hand.parameters(), 1e-2)

    for seed in range(3):
        torch.manual_seed(seed)
        terms = step(*data)
        torch.manual_seed(seed)
        loss, expected = by_hand.objective(*data)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        torch.testing.assert_close(terms, {'loss': loss.detach(), **expected})
    torch.testing.assert_close(by_step.state_dict(), by_hand.state_dict())


@pytest.mark.parametrize('steps', [0, LONG - 1, LONG])
def test_auto_compiles_long_runs_alone(steps: int) -> None:
    step = stepping(model(), 'auto', steps)
    assert step.compiled == (steps >= LONG)


def test_off_compiles_nothing() -> None:
    assert not stepping(model(), 'off', LONG).compiled


@pytest.mark.usefixtures('no_compiler')
def test_without_a_compiler_training_goes_on_as_if_nothing_had_been_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain, tried = vae(), vae()
    data = {'x': torch.rand(6, 5)}
    with caplog.at_level(logging.WARNING, 'training'):
        for it, compiling in ((plain, 'off'), (tried, 'on')):
            step = stepping(it, compiling)
            torch.manual_seed(5)
            for _ in range(4):
                step(data)

    assert not step.compiled
    torch.testing.assert_close(tried.state_dict(), plain.state_dict(), rtol=0, atol=0)
    [message] = [r.getMessage() for r in caplog.records if r.name == 'training.fitting.step']
    assert 'no-such-compiler' in message
    assert len(message.splitlines()) == 1


def test_batches_of_other_sizes_are_not_compiled_for() -> None:
    plain, compiled = model(), model()
    first, *others = [batch(plain, M=M) for M in (6, 5, 4, 3, 2)]
    torch._dynamo.utils.counters.clear()
    for it, compiling in ((plain, 'off'), (compiled, 'on')):
        step = stepping(it, compiling)
        torch.manual_seed(5)
        for data in (first, *others):
            step(*data)

    assert step.compiled
    assert not torch._dynamo.utils.counters['frames']
    torch.testing.assert_close(compiled.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_a_wrong_batch_is_told_by_the_models_own_error() -> None:
    it = model()
    step = stepping(it, 'on')
    labelled, y, _ = batch(it)
    with pytest.raises(ValueError, match=r"needs \['w', 'x'\]"):
        step(labelled, y, {'x': torch.rand(6, 5)})


def test_the_objective_is_one_graph_with_the_same_value_and_gradient() -> None:
    it = model()
    data = batch(it)
    graph = torch.compile(it.objective, backend='aot_eager', fullgraph=True, dynamic=False)
    it.objective(*data)  # as a run's first step
    found = []
    for objective in (it.objective, graph):
        torch.manual_seed(5)
        loss, terms = objective(*data)
        found.append((loss, terms, torch.autograd.grad(loss, it.parameters())))

    torch.compiler.reset()
    torch.testing.assert_close(found[1], found[0])
