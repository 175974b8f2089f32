# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real processes are ended for certain, and say why they died."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from training.live.events import Event, Mode, Ready, read_event, write_event
from training.live.processes import Child, Inbox, SessionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_READY = 'print(\'{"event": "ready", "wall": 1}\', flush=True)'


def child(folder: Path, program: str, told: Callable[[Event], None] | None = None) -> Child:
    return Child('worker', [sys.executable, '-c', program], os.environ, folder / 'log', told=told)


def wait_for(condition: Callable[[], object], patience: float = 20) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, 'waited in vain'
        time.sleep(0.02)


def test_child_that_dies_says_its_last_words_on_one_line(tmp_path: Path) -> None:
    with child(tmp_path, 'import sys; print("loading"); sys.exit("no such model")') as worker:
        wait_for(lambda: worker.ended)
        fault = worker.fault()
    assert fault is not None
    assert fault.startswith('worker: ended with code 1: ')
    assert 'no such model' in fault
    assert '\n' not in fault


def test_child_that_ends_early_is_a_fault_even_with_code_0(tmp_path: Path) -> None:
    with child(tmp_path, 'pass') as worker:
        wait_for(lambda: worker.ended)
        assert worker.fault() == f'worker: ended with code 0: it said nothing ({tmp_path / "log"})'


def test_killed_child_names_the_signal(tmp_path: Path) -> None:
    with child(tmp_path, 'import os, signal; os.kill(os.getpid(), signal.SIGSEGV)') as worker:
        wait_for(lambda: worker.ended)
        assert 'killed by SIGSEGV' in (worker.fault() or '')


def test_living_child_has_no_fault_and_is_gone_after_the_block(tmp_path: Path) -> None:
    with child(tmp_path, 'import time; time.sleep(60)') as worker:
        assert worker.fault() is None
    assert worker.ended


def test_child_deaf_to_sigint_is_ended_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('training.live.processes._PATIENCE', 0.5)
    events: list[Event] = []
    program = (
        'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); '
        f'signal.signal(signal.SIGTERM, signal.SIG_IGN); {_READY}; time.sleep(60)'
    )
    with child(tmp_path, program, events.append) as worker:
        wait_for(lambda: events)
    assert worker.ended


def test_events_are_told_and_chatter_is_not(tmp_path: Path) -> None:
    events: list[Event] = []
    with child(tmp_path, f'print("chatter"); {_READY}; print(1)', events.append) as worker:
        wait_for(worker.fault)
    assert events == [Ready(wall=1)]


def test_all_that_a_child_said_is_told_before_it_counts_as_dead(tmp_path: Path) -> None:
    events: list[Event] = []
    count = 2000
    with child(tmp_path, f'for _ in range({count}): {_READY}', events.append) as worker:
        wait_for(worker.fault)
        assert len(events) == count


def test_program_that_is_not_there_is_a_session_error(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match='worker: cannot be started'):
        Child('worker', ['/no/such/program'], os.environ, tmp_path / 'log')


def test_inbox_keeps_every_event_in_order_and_in_its_file(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / 'events.jsonl')
    sent: list[Event] = [Ready(wall=1), Mode(wall=2, mode='rgb'), Mode(wall=3, mode='rgbd')]
    inbox.put(sent[0])
    assert inbox.fetch() == sent[:1]
    assert inbox.fetch() == []
    inbox.put(sent[1])
    inbox.put(sent[2])
    inbox.close()
    assert inbox.events == sent
    lines = (tmp_path / 'events.jsonl').read_text().splitlines()
    assert [read_event(line) for line in lines] == sent
    assert [write_event(event) for event in sent] == lines
