# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Signals that end the node's process, in every state and however many there are."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ledger import Ledger, Row
from lifecycle_msgs.srv import ChangeState
from outside import DOMAIN, NS, PATIENCE, TRANSITIONS, Hands, NodeProcess, Outside, until
from trial import children, machine_of, stopped

from training.live.environment import live_environment

LONG = pytest.mark.long
EXIT = 2.0  # seconds that a signal may take to end the process


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
from mm_perception.interface import process

class Executor(process.SingleThreadedExecutor):
    def spin_once(self, timeout_sec=None):
        both = (signal.SIGINT, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            signal.pthread_kill(threading.get_ident(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)

process.SingleThreadedExecutor = Executor
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
