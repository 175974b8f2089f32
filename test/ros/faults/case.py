# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One fault: it is done, undone, and every label that was published meanwhile is judged."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from judging import Finding, Judge
from ledger import Ledger, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from orders import Shot
    from world import World

_BEFORE = 5 * 10**9  # ns: the images that the first labels may be of
_BUSY = 0.2  # of the time that the machine kept the node waiting: none to measure on
_ECHO = 0.1  # seconds in which what was told last is read


@dataclass
class Case:
    """A fault and what became of it.

    Attributes:
        world: Where it happens.
        ledger: Takes its row.
        start: When it began, in ns.
        finding: What the judge found, when it is over.

    """

    world: World
    ledger: Ledger
    start: int = 0
    finding: Finding = field(default_factory=lambda: Finding((), (), (), ()))

    def begin(self) -> Case:
        """Wait until all is well; whatever was done before."""
        self.world.mend()
        self.world.wait_until_well()
        self.start = time.time_ns()
        return self

    @property
    def is_fair(self) -> bool:
        """Whether the machine let the node work since the beginning."""
        now = time.time_ns()
        waited = self.world.machine.kept_waiting_ms(self.start, now) * 1e6
        return waited < _BUSY * (now - self.start)

    @contextmanager
    def of(
        self,
        group: str,
        fault: str,
        promise: str,
        *,
        losses: int = 0,
        pauses: bool = False,
        timed: bool = True,
    ) -> Iterator[None]:
        """Judge all that the node says from here until it labels from both eyes again.

        Args:
            group: What is broken.
            fault: How.
            promise: What the node does all the same.
            losses: How often at least a sensor is lost, and done without.
            pauses: Whether labels may stay out, as the node is not to label meanwhile.
            timed: Whether fail-overs and recoveries go into the row. Not where an eye only pauses
                while it learns its orders, or sends what fits to nothing.

        """
        self.start = time.time_ns()
        yield
        self.world.mend()
        self.world.wait_until_well()
        time.sleep(_ECHO)
        end = time.time_ns()
        shots = [shot for shot in list(self.world.shots) if shot.wall >= self.start - _BEFORE]
        labels = self.world.labels(self.start - _BEFORE)
        judge = Judge(shots, self.world.modes(), self.world.machine)
        self.finding = judge.find(labels, self.start, end)
        row = self._row(group, fault, promise)
        self.ledger.replace(row if timed else _untimed(row))
        try:
            self._check(losses, pauses=pauses)
        except AssertionError as error:
            raise AssertionError(f'{error}\n{self._record(shots)} has all of it') from None

    def _record(self, shots: Sequence[Shot]) -> Path:
        """Write down what happened, in order of time."""
        path = self.world.folder / f'{self.start}.jsonl'
        told = [*shots, *(e for e in self.world.events if e.wall >= self.start - _BEFORE)]
        lines = [event.model_dump_json() for event in sorted(told, key=lambda event: event.wall)]
        path.write_text('\n'.join([*lines, *self.world.machine.lines(self.start - _BEFORE)]) + '\n')
        return path

    def share(self, mode: str, since: int) -> float:
        """Which share of the labels since a time is of a mode."""
        return len(self.world.labels(since, mode)) / max(len(self.world.labels(since)), 1)

    def blamed(self, subject: str, words: str) -> float:
        """Wait until diagnostics name the fault; return how many seconds that took."""
        return (self.world.wait_for_status(subject, words, self.start) - self.start) / 1e9

    def _row(self, group: str, fault: str, promise: str) -> Row:
        losses = [loss for loss in self.finding.losses if loss.gap.fail_over_ms is not None]
        return Row(
            group=group,
            fault=fault,
            promise=promise,
            labels=len(self.finding.labels),
            broken=len(self.finding.broken),
            fail_over_ms=tuple(loss.gap.fail_over_ms or 0.0 for loss in losses),
            allowed_ms=min((loss.allowed_ms for loss in losses), default=None),
            recovery_ms=tuple(
                loss.gap.recovery_ms
                for loss in self.finding.losses
                if loss.gap.recovery_ms is not None
            ),
            jitter_ms=max((loss.jitter_ms for loss in losses), default=None),
        )

    def _check(self, losses: int, *, pauses: bool) -> None:
        finding = self.finding
        labels = self.world.labels(self.start)
        said = self.world.said(labels)
        assert abs(said - len(labels)) <= 1, f'{said} labels were said, {len(labels)} explained'
        assert not finding.broken, '\n'.join(finding.broken)
        assert not finding.late, '\n'.join(finding.late)
        assert pauses or not finding.pauses, '\n'.join(finding.pauses)
        # More than were meant are those of an eye that the machine kept waiting, and one that it
        # kept waiting while the other was lost was nothing to go on with.
        done = sum(loss.gap.fail_over_ms is not None for loss in finding.losses)
        assert len(finding.losses) >= losses, f'{losses} losses were meant: {finding.losses}'
        assert done >= losses / 2, f'{done} fail-overs, {losses} were meant: {finding.losses}'
        back = sum(loss.gap.recovery_ms is not None for loss in finding.losses)
        assert back >= losses, f'not back from every loss: {finding.losses}'


def _untimed(row: Row) -> Row:
    return replace(row, fail_over_ms=(), allowed_ms=None, recovery_ms=(), jitter_ms=None)
