# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What diagnostics and the log say of all these faults: by the conventions, with a way out."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ledger import Ledger, Row
from outside import DEPTH, NODE, NS, RGB, Camera, NodeProcess, Outside, until

from mm_perception.observation import Modality

LONG = pytest.mark.long
LEVELS = OK, WARN, ERROR = b'\0', b'\1', b'\2'
BOUNDED = 5.0  # seconds between two log lines about one trouble
WAY_OUT = re.compile(r'; |\?$|\? If it')  # a semicolon before what to do, or a question that tells

Picture = Callable[[np.ndarray], np.ndarray]
PICTURES: dict[tuple[Modality, str], Picture] = {
    (RGB, 'black'): np.zeros_like,
    (RGB, 'white'): lambda image: np.full_like(image, 255),
    (RGB, 'one colour'): lambda image: np.full_like(image, 90),
    (DEPTH, 'nothing valid'): np.zeros_like,
    (DEPTH, 'the same everywhere'): lambda image: np.full_like(image, 900),
}


@pytest.fixture
def restored(camera: Camera, outside: Outside, bundle: Path) -> Iterator[Camera]:
    yield camera
    camera.stop()
    outside.bring_to('unconfigured')
    assert outside.set(model=str(bundle))[0]


def provoke(camera: Camera, outside: Outside, folder: Path) -> Iterator[tuple[str, Any]]:
    """Break one thing after the other; give each error that comes of it."""
    for (modality, what), picture in PICTURES.items():
        camera.alter = {modality: picture}
        yield what, outside.report(str(modality), lambda s: s.level == ERROR, what)
        camera.alter = {}
        outside.report(str(modality), lambda s: s.level == OK, 'OK again')
    still = camera._scene[RGB]
    camera.alter = {RGB: lambda _: still}
    yield 'frozen', outside.report('rgb', lambda s: 'frozen' in s.message, 'frozen')
    camera.alter = {}
    camera.encodings = {RGB: 'rgb8', DEPTH: 'rgb8'}
    yield 'unreadable', outside.report('depth', lambda s: s.level == ERROR, 'unreadable')
    camera.encodings = {RGB: 'rgb8', DEPTH: '16UC1'}
    stamp = time.time_ns()
    camera.stamps = {DEPTH: lambda _: stamp}
    yield 'the same stamp', outside.report('depth', lambda s: s.level == ERROR, 'stamps')
    camera.stamps = {}
    outside.report('depth', lambda s: s.level == OK, 'OK again')
    camera.only(RGB)
    yield 'silent', outside.report('depth', lambda s: 'silent' in s.message, 'silent')
    camera.only(*Modality)
    outside.bring_to('unconfigured')
    for number, damage in enumerate((None, 'manifest.yaml')):
        model = folder / str(number)
        if damage:
            (model / damage).mkdir(parents=True)
        assert outside.set(model=str(model))[0]
        assert not outside.transit('configure')
        yield 'model', outside.report('model', lambda s: s.level == ERROR, 'refused')


def test_every_error_says_what_to_do_and_every_status_follows_the_conventions(
    restored: Camera, outside: Outside, ledger: Ledger, tmp_path: Path
) -> None:
    errors = dict(provoke(restored, outside, tmp_path))
    # All that was said since the session began, whatever was broken.
    said = [status for _, statuses in list(outside.reports) for status in statuses.values()]
    silent = {status.message for status in said if _is_silent(status)}
    promise = 'every error says what to do'
    fault = f'{len(said):,} statuses of this session, {len(errors)} faults among them'
    ledger.add(Row('process', f'diagnostics: {fault}', promise, 0, len(silent)))
    assert not silent
    for status in said:
        node, _, subject = status.name.rpartition(': ')
        assert status.level in LEVELS
        assert node.startswith('/')
        assert status.hardware_id == node
        assert subject in ('rgb', 'depth', 'model', 'device', 'latency', 'trust')
        assert status.message
        assert '\n' not in status.message


def _is_silent(status: Any) -> bool:
    return bool(status.level == ERROR and not WAY_OUT.search(status.message))


@LONG
@pytest.mark.parametrize('simulated', [False, True], ids=['nothing happens', 'paused'])
def test_diagnostics_come_each_second_whatever_time_it_is_said_to_be(
    outside: Outside, ledger: Ledger, simulated: bool
) -> None:
    outside.bring_to('inactive')
    seconds = 4
    assert outside.set(use_sim_time=simulated)[0]
    try:
        if simulated:
            outside.tick(1000 * NS)
            time.sleep(0.5)
        start = time.time_ns()
        until(lambda: _heard(outside, start) > seconds, 'reports')
        steps = _steps(outside, start)
    finally:
        assert outside.set(use_sim_time=False)[0]
    what = 'simulated time paused' if simulated else 'nothing happens'
    ledger.add(Row('process', f'diagnostics while {what}', 'one each second', 0))
    assert sorted(steps)[len(steps) // 2] == pytest.approx(1, abs=0.3)


def _heard(outside: Outside, start: int) -> int:
    return len(_steps(outside, start))


def _steps(outside: Outside, start: int) -> Sequence[float]:
    ours = [at for at, s in list(outside.reports) if at > start and 'model' in s]
    return [(other - one) / NS for one, other in itertools.pairwise(ours)]


@pytest.mark.parametrize('seconds', [1, pytest.param(16, marks=LONG)])
def test_trouble_that_lasts_is_logged_now_and_then_not_thirty_times_a_second(
    camera: Camera, outside: Outside, perception: NodeProcess, ledger: Ledger, seconds: int
) -> None:
    camera.rate = 30.0
    known = len(perception.text().splitlines())
    start, sent = time.time_ns(), len(camera.sent[RGB])
    camera.encodings = {RGB: '8UC1', DEPTH: '8UC3'}
    outside.wait_for_mode('none')
    time.sleep(seconds)
    lines = perception.text().splitlines()[known:]
    took, images = (time.time_ns() - start) / NS, 2 * (len(camera.sent[RGB]) - sent)
    fault = f'{images} unreadable images in {took:.0f} s'
    told = [line for line in lines if NODE.strip('/').replace('/', '.') in line]
    ledger.add(Row('process', f'log: {fault}', 'a line each 5 s and sensor, no more', 0))
    allowed = 1 + took / BOUNDED
    for modality in Modality:
        warnings = [line for line in told if f'mm_perception.{modality}]' in line]
        assert (took > BOUNDED) <= len(warnings) <= allowed, warnings
    # Besides, one for each change of the mode.
    assert len(told) <= 2 * allowed + 4, told
