# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Trains in processes that meet with accidents, and takes the training up again.

    accidents.py BAGS FOLDER moments 10    kill -9 at ten random moments, each of a training anew
    accidents.py BAGS FOLDER changes       kill -9 before each change that it makes on the disk
    accidents.py BAGS FOLDER changes a b   before one of the changes of the kinds a and b
    accidents.py BAGS FOLDER full          a full disk, at each place; FOLDER is a small file system

Prints a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import training.features.dataset
import training.fitting.checkpoint
import training.session
from mm_perception.bundle import Bundle
from training.cli import main

SMALL = [
    *('--backbone', 'squeezenet1_0', '--backbone-weights', 'random', '--device', 'cpu'),
    *('--set', 'model.widths={hidden: 16, a: 8, z: 4}', '--holdout', '0.5'),
    *('--checkpoint-every', '0'),
]
CHANGES = {'os.mkdir', 'os.rename', 'os.remove', 'os.rmdir', 'shutil.rmtree'}
"""Events of Python's audit whose first argument is the path."""


@dataclass(frozen=True)
class Training:
    """One training's folders."""

    bags: Path
    folder: Path
    epochs: int = 40

    @property
    def words(self) -> list[str]:
        return [
            *('fit', str(self.bags), *SMALL, '--set', f'optimisation.epochs={self.epochs}'),
            *('-o', str(self.folder / 'model'), '--cache', str(self.folder / 'cache')),
        ]

    def run(self, *more: str, accident: Callable[[], None] = lambda: None) -> tuple[int, str]:
        """Train in a process of its own, and give how it ended and what it said."""
        with tempfile.TemporaryFile('w+') as said:
            if not (process := os.fork()):
                os.dup2(said.fileno(), 1)
                os.dup2(said.fileno(), 2)
                os._exit(self._here([*self.words, *more], accident))
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            said.seek(0)
            return code, said.read()

    def _here(self, words: list[str], accident: Callable[[], None]) -> int:
        sys.argv = ['train', *words]
        accident()
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        except BaseException:  # noqa: BLE001 - nothing may leave a forked process but by its code
            traceback.print_exc()
            return 1
        finally:
            sys.stdout.flush()
        return 0

    def stands(self) -> str:
        """Say what there is, for a person."""
        model, cache = self.folder / 'model', self.folder / 'cache'
        parts = [f'{len(list(cache.glob("*.safetensors")))} recordings']
        parts += [
            name
            for name in ('checkpoint.safetensors', 'bundle', 'recipe.yaml', 'report.html')
            if (model / name).exists()
        ]
        return ', '.join(parts)

    def result(self) -> dict[str, str]:
        """Give what must be the same however it came about."""
        model = self.folder / 'model'
        Bundle.load(model / 'bundle')
        weights = (model / 'bundle' / 'weights.safetensors').read_bytes()
        return {'weights': weights.hex(), 'accuracy': (model / 'accuracy.csv').read_text()}

    def left(self) -> list[str]:
        """Give what nobody needs any more."""
        whole = {'bundle', 'recipe.yaml', 'report.html', 'accuracy.csv', 'misclassified.csv'}
        found = [p.name for p in (self.folder / 'model').iterdir() if p.name not in whole]
        return found + [p.name for p in (self.folder / 'cache').glob('*partial')]

    def after(self, expected: dict[str, str], **what: Any) -> None:
        """Go on after an accident, and tell how that went."""
        stood = self.stands()
        half = self.folder / 'model' / 'bundle'
        if half.exists():
            Bundle.load(half)
        code, said = self.run('--resume')
        same = self.result() == expected if not code else said
        told = {'stood': stood, 'code': code, 'same': same, 'left': self.left()}
        sys.stdout.write(json.dumps({**what, **told, 'said': said}) + '\n')
        sys.stdout.flush()
        shutil.rmtree(self.folder)


def moments(bags: Path, folder: Path, count: int) -> None:
    """Kill at random moments, one in each of as many equal parts of a training's time."""
    whole = Training(bags, folder / 'whole', epochs=600)
    command = [sys.executable, '-m', 'training', *whole.words]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    lasts, expected = time.monotonic() - began, whole.result()
    chance = random.Random(0)
    for number in range(count):
        training = replace(whole, folder=folder / str(number))
        moment = lasts * (number + chance.random()) / count
        with subprocess.Popen(
            [sys.executable, '-m', 'training', *training.words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(moment)
            process.kill()
        training.folder.mkdir(exist_ok=True)
        training.after(expected, moment=round(moment, 2), of=round(lasts, 2), ended=process.wait())


def changes(bags: Path, folder: Path, kinds: list[str]) -> None:
    """Kill before changes on disk."""
    whole, seen = Training(bags, folder / 'whole'), folder / 'seen'
    assert whole.run(accident=lambda: _watch(whole.folder, seen))[0] == 0
    expected, events = whole.result(), seen.read_text().splitlines()
    found = [[n for n, event in enumerate(events) if kind in event] for kind in kinds]
    numbers = [each[len(each) // 2] for each in found]
    for number in numbers or range(len(events)):
        training = Training(bags, folder / str(number))

        def die(training: Training = training, number: int = number) -> None:
            _watch(training.folder, folder / 'again', number)

        ended, _ = training.run(accident=die)
        training.folder.mkdir(exist_ok=True)
        training.after(expected, before=events[number], ended=ended)


def _watch(folder: Path, file: Path, last: int | None = None) -> None:
    """Write down each change below a folder; be killed before one of them."""
    done, writing = [0], file.open('w')

    def hook(event: str, given: tuple[Any, ...]) -> None:
        path = str(given[0]) if given else ''
        changing = event in CHANGES or (event == 'open' and given[2] & (os.O_WRONLY | os.O_RDWR))
        if not changing or not path.startswith(str(folder)):
            return
        if done[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)
        done[0] += 1
        writing.write(f'{event} {path.removeprefix(str(folder))}\n')
        writing.flush()

    sys.addaudithook(hook)


PLACES = {
    'features': (training.features.dataset, '_write', 2),
    'checkpoint': (training.fitting.checkpoint, 'save_checkpoint', 2),
    'bundle': (training.session, 'save_bundle', 1),
    'report': (training.session, 'write_report', 1),
}


def full(bags: Path, folder: Path) -> None:
    """Fill the disk just before something is written."""
    expected = None
    filler = folder / 'filler'
    for place, (module, name, which) in {'nothing': (None, '', 0), **PLACES}.items():
        train = Training(bags, folder / place)
        if module is None:
            assert train.run()[0] == 0
            expected = train.result()
            shutil.rmtree(train.folder)
            continue

        def accident(module: Any = module, name: str = name, which: int = which) -> None:
            real, calls = getattr(module, name), [0]

            def on_a_full_disk(*args: Any, **kwargs: Any) -> Any:
                calls[0] += 1
                if calls[0] == which:
                    _fill(filler)
                return real(*args, **kwargs)

            setattr(module, name, on_a_full_disk)

        code, said = train.run(accident=accident)
        kept = train.folder / 'model' / 'checkpoint.safetensors'
        whole = training.fitting.checkpoint.safe_open(kept, 'pt').keys() if kept.exists() else []
        filler.unlink()
        assert expected
        train.after(expected, place=place, full_code=code, full_said=said, kept=bool(whole))


def _fill(filler: Path) -> None:
    with suppress(OSError), filler.open('wb', buffering=0) as file:
        for size in (65536, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


if __name__ == '__main__':
    bags, folder, what, *words = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if what == 'moments':
        moments(Path(bags), Path(folder), int(words[0]))
    elif what == 'changes':
        changes(Path(bags), Path(folder), words)
    else:
        full(Path(bags), Path(folder))
