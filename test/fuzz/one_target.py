# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzz one target in this process: ``one_target.py NAME SECONDS SEED FOLDER``; see `campaign`."""

from __future__ import annotations

import hashlib
import logging
import mmap
import random
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import atheris
except ImportError:
    atheris = None

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from fuzz.targets import Target

LONGEST = 16_384  # bytes of an input that coverage guides
HANG = 30  # seconds
# Not PyYAML, which would take most of the time.
INSTRUMENTED = ['mm_perception', 'training', 'rosbags', 'fuzz']


def main() -> None:
    """Fuzz, guided by coverage if that can be had."""
    logging.disable(logging.WARNING)  # what was mended of a damaged recording is said each time
    name, seconds, seed, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    if atheris is None:
        from fuzz import targets  # noqa: PLC0415 - likewise below, after instrumentation began

        by_outcome(targets.load(name), seconds, seed, folder)
    else:
        with atheris.instrument_imports(include=INSTRUMENTED):
            from fuzz import targets  # noqa: PLC0415

            target = targets.load(name)
        by_coverage(target, seconds, seed, folder)


def by_coverage(target: Target, seconds: int, seed: int, folder: Path) -> None:
    """Let libFuzzer do it."""
    corpus = folder / 'inputs'
    for content in target.seeds():
        _save(corpus, '', content)
    options = [
        f'-max_total_time={seconds}',
        f'-seed={seed}',
        f'-max_len={LONGEST}',
        f'-timeout={HANG}',
        '-rss_limit_mb=4096',
        f'-report_slow_units={HANG}',
        f'-artifact_prefix={folder}/found/',
        '-print_final_stats=1',
        f'-dict={_dictionary(folder)}',
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.target)
    atheris.Fuzz()


def by_outcome(target: Target, seconds: int, seed: int, folder: Path) -> None:
    """Mutate, and keep to mutate again, each input of which the product says something new."""
    from fuzz import promises  # noqa: PLC0415 - see main
    from fuzz.mutation import mutated, rolled  # noqa: PLC0415

    rng = random.Random(seed)
    corpus = [*target.seeds(), *(path.read_bytes() for path in (folder / 'inputs').iterdir())]
    known: set[tuple[str, ...]] = set()
    executions, ends = 0, time.monotonic() + seconds
    signal.signal(signal.SIGALRM, _hang)
    with _black_box(folder / 'current') as current:
        while time.monotonic() < ends:
            data = mutated(rng.choice(corpus), rolled(rng))[:LONGEST]
            current[:LONGEST] = data.ljust(LONGEST, b'\0')
            promises.said.clear()
            signal.alarm(HANG)
            try:
                target.target(data)
            except Exception:  # noqa: BLE001 - any at all is what is looked for
                traceback.print_exc()
                _save(folder / 'found', 'crash-', data)
                break
            executions += 1
            if (outcome := tuple(promises.said)) not in known:
                known.add(outcome)
                corpus.append(data)
                _save(folder / 'inputs', '', data)
    signal.alarm(0)
    sys.stdout.write(f'#{executions} cov: {len(known)}\n')


@contextmanager
def _black_box(path: Path) -> Iterator[mmap.mmap]:
    """A file that holds the input under way, and outlives a crash of the process."""
    path.write_bytes(bytes(LONGEST))
    with path.open('r+b') as file, mmap.mmap(file.fileno(), LONGEST) as memory:
        yield memory
    path.unlink()


def _hang(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f'no answer in {HANG} s')


def _save(folder: Path, prefix: str, data: bytes) -> None:
    (folder / (prefix + hashlib.sha1(data).hexdigest())).write_bytes(data)  # noqa: S324 - a name


def _dictionary(folder: Path) -> Path:
    """What the mutation knows to hurt, for libFuzzer's."""
    from fuzz.mutation import TOKENS  # noqa: PLC0415 - see main

    path = folder / 'dictionary'
    quoted = (''.join(f'\\x{byte:02x}' for byte in token) for token in TOKENS)
    path.write_text(''.join(f'"{token}"\n' for token in quoted))
    return path


if __name__ == '__main__':
    main()
