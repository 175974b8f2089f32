# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The fastest engine whose features are right is taken, and measured once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from bundles import make_bundle

from mm_perception.engines import (
    EngineSettings,
    Workload,
    candidates,
    choose,
    choosing,
    made_pictures,
)
from mm_perception.engines.record import FOLDER, Machine, Record, fastest
from mm_perception.errors import SettingsError
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.observation import Modality


@pytest.fixture(scope='module')
def work() -> Workload:
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    return Workload(dict.fromkeys(Modality, backbone), made_pictures(Modality, 64), {})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / 'bundle')


def test_fastest_engine_that_was_measured_is_taken_and_it_is_measured_once(
    work: Workload, bundle: Path
) -> None:
    told: list[str] = []
    engine = choose(EngineSettings(), work, bundle, told.append)
    (file,) = (bundle / FOLDER).iterdir()
    measured = Record(bundle, Machine.this(bundle, candidates(EngineSettings(), quantized=False)))
    best = fastest(measured.read())
    assert best is not None
    assert engine.name == f'{best.engine} {best.precision}'
    assert len(told) == 1 + len(measured.read())
    assert all(f'{trial.milliseconds:.1f} ms' in '\n'.join(told) for trial in measured.read())
    before = file.stat().st_mtime_ns
    again: list[str] = []
    assert choose(EngineSettings(), work, bundle, again.append).name == engine.name
    assert (again, file.stat().st_mtime_ns) == ([], before)


def test_one_that_is_asked_for_is_taken_without_measuring(work: Workload, bundle: Path) -> None:
    told: list[str] = []
    engine = choose(EngineSettings('torch', 'bfloat16'), work, bundle, told.append)
    assert (engine.name, told) == ('torch bfloat16', [])
    assert not (bundle / FOLDER).exists()


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_bundle_that_cannot_be_written_to_works_as_well(work: Workload, bundle: Path) -> None:
    bundle.chmod(0o555)
    assert choose(EngineSettings(), work, bundle, lambda _: None).name
    assert not (bundle / FOLDER).exists()


def test_engine_whose_features_are_wrong_is_never_taken(
    work: Workload, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(choosing._ALLOWED, 'bfloat16', 0.0)
    engine = choose(EngineSettings(), work, bundle, lambda _: None)
    assert engine.name.endswith('float32')
    with pytest.raises(SettingsError, match='torch bfloat16: its features differ'):
        choose(EngineSettings('torch', 'bfloat16'), work, bundle, lambda _: None)


@pytest.mark.parametrize('what', [torch.OutOfMemoryError('full'), RuntimeError('CUDA error: lost')])
def test_gpu_that_is_full_or_lost_is_no_engines_fault(
    work: Workload, monkeypatch: pytest.MonkeyPatch, what: RuntimeError
) -> None:
    def fails(*_: object) -> None:
        raise what

    monkeypatch.setattr(choosing, '_try', fails)
    here = choosing.candidates(EngineSettings('torch', 'float32'), quantized=False)
    assert choosing.measure(here, work) == []  # on a CPU the others may do
    monkeypatch.setattr(Workload, 'device', torch.device('cuda'))
    with pytest.raises(RuntimeError, match=str(what)):
        choosing.measure(here, work)
