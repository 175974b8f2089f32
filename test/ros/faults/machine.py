# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How long the machine keeps a process waiting: ``machine.py PID``, a process of its own.

Every 20 ms it tells how late it was woken itself, and how long the process's threads have stood in
the queue for a processor since (the kernel's own count), in ms: of the two that waited longest, as
an image passes two on its way in, the middleware's and the executor's, and a deadline two, the
executor's and the worker's. No promise can be held to that time; what else takes longer is the
node's.
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_left, bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_TICK = 0.02
_PASSED = 2  # threads
_SLACK_MS = 0.5  # how late every thread is woken on a calm machine, too


@dataclass
class Machine:
    """What was measured, to be asked about."""

    walls: list[int] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def add(self, line: str) -> None:
        wall, late, waited = json.loads(line)
        self.late.append(max(0.0, late - _SLACK_MS))
        self.waited.append(waited)
        self.walls.append(wall)

    def lines(self, start: int) -> list[str]:
        """Give what was measured since a time in ns."""
        ticks = zip(self.walls, self.late, self.waited, strict=False)
        return [json.dumps({'tick': tick}) for tick in ticks if tick[0] >= start]

    def kept_waiting_ms(self, start: int, end: int) -> float:
        """Milliseconds for which it was kept waiting between two times in ns, at most all."""
        if end <= start:
            return 0.0
        ticks = slice(bisect_right(self.walls, start), bisect_left(self.walls, end) + 1)
        return min((end - start) / 1e6, max(sum(self.late[ticks]), sum(self.waited[ticks])))


def _waited_ms(process: str) -> dict[Path, float]:
    """By thread, since it began."""
    found = {}
    for task in Path('/proc', process, 'task').glob('*/schedstat'):
        with suppress(OSError):  # it has just ended
            found[task] = int(task.read_text().split()[1]) / 1e6
    return found


def main() -> None:
    before = _waited_ms(sys.argv[1])
    while True:
        start = time.monotonic()
        time.sleep(_TICK)
        late = 1e3 * (time.monotonic() - start - _TICK)
        now = _waited_ms(sys.argv[1])
        steps = sorted(total - before.get(task, 0.0) for task, total in now.items())
        waited, before = sum(steps[-_PASSED:]), now
        told = [time.time_ns(), round(late, 3), round(waited, 3)]
        print(json.dumps(told), flush=True)  # noqa: T201 - what it is started for


if __name__ == '__main__':
    with suppress(KeyboardInterrupt, BrokenPipeError):
        main()
