# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is done to the node's process: ended, interrupted, stopped, starved, cut off."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ledger import Ledger, Row
from lifecycle_msgs.srv import ChangeState
from outside import (
    DEPTH,
    DOMAIN,
    NS,
    PATIENCE,
    RGB,
    TRANSITIONS,
    Camera,
    Hands,
    Jitter,
    NodeProcess,
    Outside,
    Said,
    until,
)
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from trial import Eyes, Trial, children, machine_of
from typing_extensions import Self

from mm_perception.observation import Modality
from training.live.environment import live_environment

LONG = pytest.mark.long
EXIT = 2.0  # seconds that a signal may take to end the process
STOPPED = 2.0  # seconds
SHARE = 0.1  # of a processor, for a node that is starved


# Signals ------------------------------------------------------------------------------------------


class Ending:
    """A node of its own that is brought into a state and then ended."""

    def __init__(self, outside: Outside, folder: Path, bundle: Path, number: int) -> None:
        namespace = f'/ending{number}'
        self.node = NodeProcess(
            folder / namespace[1:], '-p', f'model:={bundle}', namespace=namespace
        )
        self.hands = Hands(outside.node, f'{namespace}/mm_perception')
        self.change = outside.node.create_client(
            ChangeState, f'{namespace}/mm_perception/change_state'
        )

    def bring_to(self, state: str) -> None:
        """Bring it to a state, or into the middle of a transition."""
        if state == 'configuring':
            self.hands.state()
            self._begin('configure')
        elif state == 'activating':
            self.hands.bring_to('inactive')
            self._begin('activate')
        elif state == 'deactivated':
            self.hands.bring_to('active')
            assert self.hands.transit('deactivate')
        elif state == 'finalized':
            assert self.hands.transit('unconfigured_shutdown')
        else:
            self.hands.bring_to(state)

    def _begin(self, name: str) -> None:
        until(self.change.service_is_ready, 'the service')
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[name]
        self.change.call_async(request)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def end(
    ending: Ending, state: str, numbers: Sequence[int], folder: Path, ledger: Ledger, pause: float
) -> None:
    """Bring a node into a state, end it with one signal after the other, and see how it went."""
    process = ending.node.process
    ending.bring_to(state)
    with machine_of(process.pid, folder) as machine:
        time.sleep(pause)
        assert not children(process.pid)
        start = time.time_ns()
        with stopped(process.pid):  # so that the first two come at once
            for number in numbers[:2]:
                process.send_signal(number)
        for number in numbers[2:]:
            time.sleep(0.02)
            if process.poll() is None:
                process.send_signal(number)
        code = process.wait(PATIENCE)
        took = (time.time_ns() - start) / NS
        allowed = EXIT + machine.kept_waiting_ms(start, time.time_ns()) / 1e3
    clean = code == 0 and took < allowed and 'Traceback' not in ending.node.text()
    names = ', '.join(signal.Signals(number).name for number in numbers[:2])
    more = f' and {len(numbers) - 2} more' if len(numbers) > 2 else ''
    fault = f'{names}{more} while {state}'
    ledger.add(Row('process', fault, 'ends with 0 within 2 s, without a trace', 0, int(not clean)))
    assert code == 0, ending.node.text()
    assert 'Traceback' not in ending.node.text(), ending.node.text()
    assert took < allowed
    assert not list(folder.glob('core*'))


ENDINGS = (
    *('configuring', 'deactivated', 'finalized', 'unconfigured', 'inactive', 'activating'),
    'active',
)
IMPATIENT = (signal.SIGINT, signal.SIGTERM) * 10


@pytest.mark.parametrize(
    ('state', 'numbers'),
    [
        pytest.param('configuring', (signal.SIGTERM,)),
        *(pytest.param(s, (n,), marks=LONG) for s in ENDINGS for n in IMPATIENT[:2]),
        *(pytest.param(s, IMPATIENT, marks=LONG) for s in ENDINGS),
    ],
)
def test_signal_ends_the_process_cleanly_in_every_state_whatever_follows(
    outside: Outside, ledger: Ledger, tmp_path: Path, bundle: Path, state: str, numbers: Any
) -> None:
    ending = Ending(outside, tmp_path, bundle, random.randrange(10**6))
    try:
        # In the middle of a transition it matters when; once it is over the state is as good.
        pause = random.uniform(0, 0.3) if state in ('configuring', 'activating') else 0.2
        end(ending, state, numbers, tmp_path, ledger, pause)
    finally:
        ending.node.kill()


TWO_AT_ONCE = """
import signal, threading
from mm_perception import node

class Executor(node.SingleThreadedExecutor):
    def spin_once(self, timeout_sec=None):
        both = (signal.SIGINT, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            signal.pthread_kill(threading.get_ident(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)

node.SingleThreadedExecutor = Executor
node.main()
"""


def test_second_signal_that_comes_at_once_does_not_cut_the_ending_short(ledger: Ledger) -> None:
    # From outside no two signals can be sent so close together that the second surely meets the
    # first one's exception on its way out.
    done = subprocess.run(
        [sys.executable, '-c', TWO_AT_ONCE],
        env=live_environment(DOMAIN),
        capture_output=True,
        text=True,
        check=False,
    )
    clean = done.returncode == 0 and 'Traceback' not in done.stderr
    ledger.add(Row('process', 'SIGINT and SIGTERM at once', 'ends with 0', 0, int(not clean)))
    assert clean, done.stderr


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


@pytest.mark.parametrize(
    'closed', [False, pytest.param(True, marks=LONG)], ids=['broken', 'closed']
)
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


# Neighbours ---------------------------------------------------------------------------------------


class Street:
    """A camera for a node of another namespace, and an ear for what it says."""

    def __init__(self, outside: Outside, namespace: str, rate: float = 10.0) -> None:
        self.node, self.said = outside.node, []
        self.namespace, self.rate = namespace, rate

    def __enter__(self) -> Self:
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.eyes = {
            m: self.node.create_publisher(Image, f'{self.namespace}/{m}/image', qos)
            for m in Modality
        }
        topic = f'{self.namespace}/mm_perception/prediction'
        self.ear = self.node.create_subscription(DiagnosticArray, topic, self._hear, 10)
        self.camera = Camera(lambda m, message: self.eyes[m].publish(message), rate=self.rate)
        return self

    def __exit__(self, *_: object) -> None:
        self.camera.stop()
        self.node.destroy_subscription(self.ear)
        for eye in self.eyes.values():
            self.node.destroy_publisher(eye)

    def _hear(self, message: Any) -> None:
        (status,) = message.status
        values = {pair.key: pair.value for pair in status.values}
        self.said.append(Said(time.time_ns(), values, message.header))


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


# Stops and starvation -----------------------------------------------------------------------------


@pytest.mark.parametrize('times', [1, pytest.param(15, marks=LONG)])
def test_node_that_was_stopped_says_nothing_of_what_it_saw_before(
    trial: Trial, outside: Outside, camera: Camera, times: int
) -> None:
    fault = f'node stopped for {STOPPED:.0f} s, {times} times'
    camera.rate = 30.0
    outside.wait_for_labels('rgbd', 5)
    with trial.of('process', fault, 'no stale label after; from both again', camera):
        for _ in range(times):
            time.sleep(0.1 * random.random())  # so that it is stopped in the midst of anything
            with stopped(trial.pid):
                time.sleep(STOPPED)
            outside.wait_for_labels('rgbd', 2)


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
