# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is done to the node's process: stopped, starved, cut off, and put beside another."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from ledger import Ledger, Row
from machine import Machine
from outside import (
    DEPTH,
    DOMAIN,
    NS,
    RGB,
    Camera,
    Hands,
    Jitter,
    NodeProcess,
    Outside,
    Said,
    until,
)
from street import Street
from trial import Eyes, Pause, Trial, machine_of, stopped

from mm_perception.observation import Modality
from training.live.environment import live_environment

LONG = pytest.mark.long
STOPPED = 2.0  # seconds
PERIOD = 1 / 30
SHARE = 0.1  # of a processor, for a node that is starved


# Pipes --------------------------------------------------------------------------------------------


class Piped(NodeProcess):
    """A node whose standard streams lead nowhere: broken pipes, or nothing at all."""

    def __init__(self, namespace: str, *arguments: str, closed: bool) -> None:
        command = [sys.executable, '-m', 'mm_perception.node', '--ros-args']
        command += ['-r', f'__ns:={namespace}', *arguments]
        if closed:
            line = 'exec "$@" <&- >&- 2>&-'
            command = ['sh', '-c', line, 'sh', *command]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, env=live_environment(DOMAIN), stdin=pipe, stdout=pipe, stderr=pipe
        )
        for end in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert end is not None
            end.close()


@LONG
@pytest.mark.parametrize('closed', [False, True], ids=['broken', 'closed'])
def test_node_whose_output_nobody_takes_labels_on_and_ends_cleanly(
    outside: Outside, ledger: Ledger, bundle: Path, closed: bool
) -> None:
    namespace = f'/piped{int(closed)}'
    node = Piped(namespace, '-p', f'model:={bundle}', '-p', 'autostart:=true', closed=closed)
    how = 'closed' if closed else 'broken pipes'
    with Street(outside, namespace) as street:
        try:
            until(lambda: street.said or node.process.poll() is not None, 'a label')
            assert node.process.poll() is None
            # Each of these is a line of the log.
            hands = Hands(outside.node, f'{namespace}/mm_perception')
            assert not hands.transit('configure')
            assert hands.transit('deactivate')
            assert hands.transit('cleanup')
            assert hands.set(model='/nowhere')[0]
            assert not hands.transit('configure')
            assert hands.set(model=str(bundle))[0]
            hands.bring_to('active')
            known = len(street.said)
            until(lambda: len(street.said) > known, 'another label')
            code, _ = node.end()
        finally:
            node.kill()
            fault = f'standard input, output and error {how}'
            ledger.add(Row('process', fault, 'labels go on; ends with 0', len(street.said)))
    assert code == 0


@LONG
def test_two_nodes_with_two_cameras_label_each_its_own(
    trial: Trial, outside: Outside, camera: Camera, tmp_path: Path, bundle: Path
) -> None:
    arguments = ['-p', f'model:={bundle}', '-p', 'autostart:=true']
    other = NodeProcess(tmp_path / 'other', *arguments, namespace='/other')
    try:
        with (
            Street(outside, '/other') as street,
            machine_of(other.process.pid, tmp_path) as machine,
        ):
            camera.frame_ids = dict.fromkeys(Modality, 'mine')
            street.camera.frame_ids = dict.fromkeys(Modality, 'other')
            until(lambda: len(street.said) > 3, 'labels of the other')
            jitter = Jitter()
            fault = 'two nodes and two cameras in two namespaces; one loses its depth'
            with trial.of('process', fault, "each labels its own camera's images", camera):
                street.camera.only(RGB)
                until(lambda: street.said[-1].mode == 'rgb', 'labels from RGB there')
                outside.wait_for_labels('rgbd', 3)
                street.camera.only(RGB, DEPTH)
                known = len(street.said)
                until(lambda: 'rgbd' in {s.mode for s in street.said[known:]}, 'both there')
                trial.checks = [_from('mine')]
            assert outside.mode() == 'rgbd'
            eyes = Eyes(street.camera.sent, street.camera.period, machine, jitter.stop())
            broken = [why for s in street.said[3:] if (why := eyes.fault(s) or _from('other')(s))]
            assert not broken
    finally:
        other.kill()


def _from(frame_id: str) -> Callable[[Said], str | None]:
    """Have a label be of a camera with that frame_id."""
    return lambda said: (
        None if said.header.frame_id in (frame_id, 'eye') else f'of camera {said.header.frame_id}'
    )


@pytest.mark.parametrize('times', [1, pytest.param(15, marks=LONG)])
def test_node_that_was_stopped_says_nothing_of_what_it_saw_before(
    trial: Trial, outside: Outside, camera: Camera, times: int
) -> None:
    fault = f'node stopped for {STOPPED:.0f} s, {times} times'
    camera.rate = 1 / PERIOD
    outside.wait_for_labels('rgbd', 5)
    with trial.of('process', fault, 'no stale label after; from both again', camera):
        for number in range(times):
            time.sleep(0.1 * random.random())  # so that it is stopped in the midst of anything
            with stopped(trial.pid) as pause:
                trial.pauses.append(pause)
                time.sleep(STOPPED / 10)
                if number % 2 == 0:
                    camera.only()  # what waits for the node is old when it goes on
                time.sleep(STOPPED)
            time.sleep(PERIOD)
            camera.only(RGB, DEPTH)
            outside.wait_for_labels('rgbd', 2)


def test_one_label_that_was_made_before_a_stop_may_come_after_it() -> None:
    began = 10**18
    stamps = [began - 20 * 10**6, began - 10 * 10**6, began - 5 * 10**6]

    def late(stamp: int, latency_ms: float) -> Said:
        values = {'mode': 'rgb', 'rgb_stamp': str(stamp), 'inference_ms': '8'}
        return Said(began + 2 * NS, {**values, 'latency_ms': str(latency_ms)}, None)

    def eyes() -> Eyes:
        return Eyes({RGB: stamps}, PERIOD, Machine(), 0.0, [Pause(began)])

    assert eyes().fault(late(stamps[2], 9.0)) is not None  # it went on being made in the meantime
    once = eyes()
    assert once.fault(late(stamps[0], 9.0)) is None
    assert once.fault(late(stamps[1], 9.0)) is not None


@contextmanager
def starved(pid: int) -> Iterator[None]:
    """Leave a process a tenth of a processor."""
    with ExitStack() as stack:
        try:
            stack.enter_context(_quota(pid))
        except OSError:  # not permitted here
            stack.enter_context(_by_turns(pid))
        yield


@contextmanager
def _quota(pid: int) -> Iterator[None]:
    """Have the kernel do it (control groups, version 1 or 2)."""
    root = Path('/sys/fs/cgroup')
    old = root / 'cpu'
    home = old if old.is_dir() else root
    group = home / f'mm_perception_starved_{pid}'
    group.mkdir()
    try:
        period = 100_000
        if home is old:
            (group / 'cpu.cfs_period_us').write_text(str(period))
            (group / 'cpu.cfs_quota_us').write_text(str(round(SHARE * period)))
        else:
            (group / 'cpu.max').write_text(f'{round(SHARE * period)} {period}')
        (group / 'cgroup.procs').write_text(str(pid))
        yield
    finally:
        with suppress(OSError):
            (home / 'cgroup.procs').write_text(str(pid))
        group.rmdir()


@contextmanager
def _by_turns(pid: int, turn: float = 0.1) -> Iterator[None]:
    """Stop it for nine tenths of the time."""
    over = threading.Event()

    def take_turns() -> None:
        while not over.is_set():
            with stopped(pid):
                time.sleep((1 - SHARE) * turn)
            time.sleep(SHARE * turn)

    thread = threading.Thread(target=take_turns, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@LONG
@pytest.mark.parametrize(
    ('way', 'how'),
    [
        (starved, 'by the kernel, where it may be told'),
        (_by_turns, 'stopped nine tenths of the time'),
    ],
    ids=['quota', 'turns'],
)
def test_starved_node_says_nothing_stale_and_reports_on(
    trial: Trial, outside: Outside, camera: Camera, way: Any, how: str
) -> None:
    seconds = 15.0
    promise = 'labels may be rare, none is stale; diagnostics go on'
    with trial.of('process', f'a tenth of a processor, {how}', promise, camera):
        with way(trial.pid):
            camera.only(RGB)
            lost = time.time_ns()
            time.sleep(seconds / 2)
            # Depth is gone: whatever is said of it now would be stale.
            said = outside.labels_since(lost + round(3 * NS), 'rgbd', 'depth')
            camera.only(RGB, DEPTH)
            reports = len(outside.reports)
            time.sleep(seconds / 2)
            reports = len(outside.reports) - reports
        outside.wait_for_labels('rgbd', 3)
        assert not said
    assert reports >= seconds / 2 / 4
