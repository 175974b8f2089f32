# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from bundles import make_bundle
from torch import Tensor

from mm_perception.engines import (
    EngineSettings,
    Workload,
    candidates,
    choose,
    choosing,
    judge_with,
    made_pictures,
    openvino_engine,
)
from mm_perception.engines.openvino_engine import OpenVinoEngine
from mm_perception.engines.record import FOLDER, Machine, Record, Trial, fastest
from mm_perception.errors import SettingsError
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.head import Head, Judge, Judgement
from mm_perception.models import ModelSettings, Widths
from mm_perception.observation import Modality

openvino = pytest.mark.skipif(
    not openvino_engine.is_installed(), reason='OpenVINO is not installed'
)


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


def untrained(name: str, modalities: tuple[str, ...], *, trust: bool = False) -> Head:
    settings = ModelSettings(
        name=name,
        modalities=dict.fromkeys(modalities, 512),
        classes=3,
        widths=Widths(hidden=8, a=4, z=4),
    )
    torch.manual_seed(0)
    return Head(settings, trust=trust).eval().requires_grad_(False)


def judged(head: Head) -> tuple[Judge, list[str]]:
    """Have OpenVINO judge in float32, and give what was told of it."""
    names = [Modality(name) for name in head.model.modalities]
    backbone = load_backbone(BackboneSettings(name='squeezenet1_0', weights='random'))
    engine = OpenVinoEngine(dict.fromkeys(names, backbone), 'float32', size=64, threads=2)
    told: list[str] = []
    return judge_with(engine, head, made_pictures(names, 64), told.append), told


@openvino
@pytest.mark.parametrize('trust', [False, True])
@pytest.mark.parametrize('name', ['m2', 'sdgm', 'ss_mvae', 'ss_hmvae', 'ss_hmvae_kl'])
def test_head_judges_by_openvino_as_by_torch_in_every_mode_and_of_any_number(
    name: str, trust: bool
) -> None:
    single = name in {'m2', 'sdgm'}
    head = untrained(name, ('rgb',) if single else ('rgb', 'depth'), trust=trust)
    judge, told = judged(head)
    assert (told, judge is head) == ([], False)
    for count in (1, 3, 2):
        features = {m: 4 * torch.rand(count, 512) for m in ('rgb', 'depth')}
        for mode in ({'rgb'},) if single else ({'rgb', 'depth'}, {'rgb'}, {'depth'}):
            given = {m: values for m, values in features.items() if m in mode}
            with torch.inference_mode():
                expected, found = head(given), judge(given)
            torch.testing.assert_close(found.stacked(), expected.stacked(), equal_nan=True)
            assert (found.novelty is None) == (expected.novelty is None)
            assert (found.contradiction is None) == (expected.contradiction is None)


@openvino
@pytest.mark.parametrize(
    ('change', 'differs'), [(0.2, '20.0%'), (float('nan'), 'inf%'), (float('inf'), 'inf%')]
)
def test_head_that_judges_otherwise_by_openvino_is_left_to_torch(
    monkeypatch: pytest.MonkeyPatch, change: float, differs: str
) -> None:
    right = openvino_engine.OpenVinoHead.__call__

    def otherwise(self: Any, features: Mapping[str, Tensor]) -> Judgement:
        found = right(self, features)
        return Judgement(found.probabilities + change, found.novelty, found.contradiction)

    monkeypatch.setattr(openvino_engine.OpenVinoHead, '__call__', otherwise)
    head = untrained('ss_hmvae_kl', ('rgb', 'depth'), trust=True)
    judge, (told,) = judged(head)
    assert judge is head
    assert told == f'openvino float32: what it says of features differs by {differs}; torch judges'


@openvino
def test_head_that_openvino_cannot_have_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object) -> None:
        raise TypeError('no such\noperation')

    monkeypatch.setattr(openvino_engine, 'OpenVinoHead', cannot)
    head = untrained('ss_hmvae_kl', ('rgb', 'depth'))
    judge, told = judged(head)
    assert judge is head
    assert told == ['openvino float32: cannot judge, torch does: no such operation']


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
