# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzz the targets for as long as you like: ``python test/fuzz/campaign.py --minutes 60``.

Each target runs in a process of its own, one after the other: guided by coverage where atheris is
installed, else by what the product says, from mutation of the seeds. A corpus, kept outside the
checkout, goes on growing from campaign to campaign; what broke a promise is saved beside it, and is
to become a file in ``regressions/<target>/``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PATHS = (HERE.parents[1], HERE.parent, HERE.parent / 'training')  # as pyproject tells pytest
GUIDED = importlib.util.find_spec('atheris') is not None


class Score(NamedTuple):
    """What a target's process has said last."""

    executions: int
    paths: int
    found: int


def main() -> int:
    """Run the campaign; 1 when a promise was broken."""
    options = _options()
    sys.path[:0] = map(str, PATHS)
    from fuzz.targets import NAMES  # noqa: PLC0415 - the paths are set above

    names = options.target or NAMES
    if unknown := set(names) - set(NAMES):
        _say(f'no target {", ".join(sorted(unknown))}; there are {", ".join(NAMES)}')
        return 2
    guide = 'by coverage (atheris)' if GUIDED else 'by outcomes: atheris is not installed'
    seconds = max(1, round(60 * options.minutes / len(names)))
    _say(f'{len(names)} targets, {seconds} s each, guided {guide}; corpus in {options.corpus}')
    _say(f'{"target":<20}{"executions":>12}{"per s":>8}{"paths":>8}{"seed":>8}{"found":>7}')
    total = Score(0, 0, 0)
    for name in names:
        started = time.monotonic()
        score = _fuzz(name, seconds, options.seed, options.corpus)
        speed = score.executions / (time.monotonic() - started)
        total = Score(*map(sum, zip(total, score, strict=True)))
        _say(
            f'{name:<20}{score.executions:>12,}{speed:>8,.0f}{score.paths:>8,}'
            f'{options.seed:>8}{score.found:>7}'
        )
    _say(f'{"all":<20}{total.executions:>12,}{"":>8}{total.paths:>8,}{"":>8}{total.found:>7}')
    if total.found:
        _say(f'broken promises: {options.corpus}/*/found/; the log beside it tells how')
    return int(total.found > 0)


def _say(line: str) -> None:
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Fuzz every input that the product takes.')
    parser.add_argument('target', nargs='*', help='all targets if none is named')
    parser.add_argument('--minutes', type=float, default=60, help='for all targets together')
    parser.add_argument('--seed', type=int, default=1, help='of everything random')
    cache = Path(os.environ.get('XDG_CACHE_HOME', Path.home() / '.cache'))
    parser.add_argument('--corpus', type=Path, default=cache / 'mm_perception' / 'fuzz')
    return parser.parse_args()


def _fuzz(name: str, seconds: int, seed: int, corpus: Path) -> Score:
    """Run one target in a process of its own, which a crash of it may take along."""
    folder = corpus.resolve() / name
    for name_of_part in ('inputs', 'found'):
        (folder / name_of_part).mkdir(parents=True, exist_ok=True)
    before = set((folder / 'found').iterdir())
    command = [sys.executable, HERE / 'one_target.py', name, str(seconds), str(seed), folder]
    environment = os.environ | {
        'PYTHONPATH': os.pathsep.join(map(str, PATHS)),
        'OMP_NUM_THREADS': '1',
        'OPENCV_LOG_LEVEL': 'SILENT',
    }
    log = folder / 'log'
    with log.open('wb') as output:
        # It stops by itself; one that does not is stuck where no signal of Python's gets to.
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, cwd=folder
        )
        try:
            code = process.wait(seconds + 300)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
    if code and (folder / 'current').exists():  # what took the whole process along
        (folder / 'current').rename(folder / 'found' / f'crash-{int(time.time())}')
    said = log.read_text(errors='replace')
    found = len(set((folder / 'found').iterdir()) - before)
    return Score(
        _last(r'(?:number_of_executed_units:\s*|^#)(\d+)', said),
        _last(r'cov: (\d+)', said),
        found or int(code != 0),
    )


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else 0


if __name__ == '__main__':
    sys.exit(main())
