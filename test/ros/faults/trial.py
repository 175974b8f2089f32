# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A fault that is done to the node that all tests share; every label meanwhile is looked at."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import Ledger, Row
from machine import Machine
from outside import Camera, Jitter, Outside, Said
from world import Process

from mm_perception.observation import Modality, mode_of

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
PERIODS, TRANSPORT = 2, 0.05  # what is promised: so many periods and seconds, and an inference
_ECHO = 0.1  # seconds in which what was said last is heard

Check = Callable[[Said], str | None]


@contextmanager
def machine_of(pid: int, folder: Path) -> Iterator[Machine]:
    """Measure how long this machine keeps a process waiting for a processor."""
    measured = Machine()
    command = [str(HERE / 'machine.py'), str(pid)]
    process = Process(folder / 'machine.log', command, measured.add)
    try:
        yield measured
    finally:
        process.end()


@dataclass
class Pause:
    """A while in which the node's process was stopped.

    Attributes:
        began: When, in ns.
        under_way: The one label that was made by then and not yet on its way to the listeners.

    """

    began: int
    under_way: Said | None = None

    def excuses(self, said: Said, stamp: int) -> bool:
        """Whether a label was made before, by the node's clock, which runs on while it stands."""
        made = stamp + round(float(said.values['latency_ms']) * 1e6)
        if made > self.began or self.under_way not in (None, said):
            return False
        self.under_way = said
        return True


@contextmanager
def stopped(pid: int) -> Iterator[Pause]:
    """Stop a process for a while."""
    pause = Pause(time.time_ns())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pause
    finally:
        os.kill(pid, signal.SIGCONT)


@dataclass
class Eyes:
    """What a camera sent, and how long that may be used.

    Attributes:
        sent: The stamps of each modality.
        period: From one image to the next, in seconds.
        machine: How long the node was kept waiting.
        late: How late a thread of the tests was woken at worst, in seconds.
        pauses: When the node was stopped.

    """

    sent: Mapping[Modality, Sequence[int]]
    period: float
    machine: Machine
    late: float
    pauses: Sequence[Pause] = ()

    def fault(self, said: Said) -> str | None:
        """Say how a label broke the promise; None when it did not."""
        used = [m for m in Modality if f'{m}_stamp' in said.values]
        if said.mode != mode_of(used):
            return f'mode {said.mode} of images from {used}'
        for modality in used:
            stamp = int(said.values[f'{modality}_stamp'])
            if stamp not in self.sent[modality]:
                return f'made of a {modality} image that was never sent'
            allowed = PERIODS * self.period + TRANSPORT + said.inference
            allowed += self.machine.kept_waiting_ms(stamp, said.at) / 1e3 + 2 * self.late
            if said.age(modality) <= allowed:
                continue
            if not any(pause.excuses(said, stamp) for pause in self.pauses):
                return f'{modality} was {said.age(modality):.3f} s old, {allowed:.3f} are allowed'
        return None


@dataclass
class Trial:
    """Does something to the node and adds what came of it to the ledger.

    Attributes:
        outside: Hears the node.
        pid: The node's process.
        ledger: Takes the row.
        folder: Of logs.
        start: When it began, in ns.
        checks: What every label has to stand besides; each gives the reason when one does not.
        pauses: When the node was stopped.

    """

    outside: Outside
    pid: int
    ledger: Ledger
    folder: Path
    start: int = 0
    checks: list[Check] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)

    @property
    def labels(self) -> list[Said]:
        """What was said since it began."""
        return self.outside.labels_since(self.start)

    @contextmanager
    def of(
        self, group: str, fault: str, promise: str, camera: Camera | None = None
    ) -> Iterator[None]:
        """Judge every label from here to the end; with a camera its images' age as well."""
        self.start, failed, jitter = time.time_ns(), True, Jitter()
        broken: list[str] = []
        with machine_of(self.pid, self.folder) as machine:
            try:
                yield
                failed = False
            finally:
                time.sleep(_ECHO)
                late = jitter.stop()
                checks = list(self.checks)
                if camera is not None:
                    eyes = Eyes(camera.sent, camera.period, machine, late, self.pauses)
                    checks.append(eyes.fault)
                labels = self.labels
                reasons = [[why for check in checks if (why := check(said))] for said in labels]
                broken = [f'{said.values}: {why}' for said, why in zip(labels, reasons) if why]  # noqa: B905 - as long
                count = max(len(broken), int(failed))
                self.ledger.add(Row(group, fault, promise, len(labels), count))
        assert not broken, '\n'.join(broken)


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f'/proc/{pid}/task').iterdir()))


def children(pid: int) -> list[str]:
    """The processes that a process has started."""
    tasks = Path(f'/proc/{pid}/task').glob('*/children')
    return [child for task in tasks for child in task.read_text().split()]
