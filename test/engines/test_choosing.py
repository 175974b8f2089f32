# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
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
    openvino_engine,
)
from mm_perception.engines.record import FOLDER, Machine, Record, Trial, fastest
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


def test_record_of_another_machine_is_not_believed(bundle: Path) -> None:
    allowed = candidates(EngineSettings(), quantized=False)
    here = Machine.this(bundle, allowed)
    elsewhere = here.model_copy(update={'processor': 'another'})
    trial = Trial(engine='torch', precision='float32', milliseconds=1, error=0, usable=True)
    Record(bundle, elsewhere).keep([trial])
    assert Record(bundle, elsewhere).read() == (trial,)
    assert Record(bundle, here).read() == ()


@pytest.mark.parametrize('content', ['', '{', 'machine: 1', '- a\n', '\0', 'trials: []\n'])
def test_record_that_is_damaged_is_measured_anew(bundle: Path, content: str) -> None:
    machine = Machine.this(bundle, candidates(EngineSettings(), quantized=False))
    record = Record(bundle, machine)
    record.keep([])
    (file,) = (bundle / FOLDER).iterdir()
    file.write_text(content)
    assert record.read() == ()


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


def test_each_device_has_engines_of_its_own() -> None:
    there = candidates(EngineSettings(), quantized=True, device=torch.device('cuda'))
    assert str(there[0]) == 'torch float32'  # the reference
    assert {each.engine for each in there} == {'torch', 'cudagraph'}
    assert 'cudagraph' not in {each.engine for each in candidates(EngineSettings(), quantized=True)}
    with pytest.raises(SettingsError, match=r"'cudagraph' is not for device cpu; use 'auto'"):
        candidates(EngineSettings('cudagraph'), quantized=False)
    with pytest.raises(SettingsError, match=r"'openvino' is not for device cuda; use 'auto'"):
        candidates(EngineSettings('openvino'), quantized=False, device=torch.device('cuda'))


def test_what_cannot_be_had_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r'holds no int8 networks; `train engines` makes them'):
        candidates(EngineSettings('auto', 'int8'), quantized=False)
    with pytest.raises(SettingsError, match=r'torch in int8: not to be had here; there are torch'):
        candidates(EngineSettings('torch', 'int8'), quantized=True)
    monkeypatch.setattr(openvino_engine, 'is_installed', lambda: False)
    with pytest.raises(SettingsError, match='it is not installed; pip install openvino'):
        candidates(EngineSettings('openvino'), quantized=False)
    assert {c.engine for c in candidates(EngineSettings(), quantized=True)} == {'torch'}
