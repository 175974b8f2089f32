# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Steps on a label file: each is on the disk, can be taken back, and never costs another's work."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mm_perception.errors import LabelError
from training.labelling.book import MOST_LETTERS, Book, Change
from training.recordings.bags import Recording
from training.recordings.labels import from_csv

NS = 10**9
HEADER = 'bag,start,end,label\n'
NAMES = ('bowl_1', 'mug_1')


def recordings() -> list[Recording]:
    return [Recording(n, Path('/bags', n), Path('/bags'), (), 0, 100 * NS, {}) for n in NAMES]


def book(folder: Path) -> Book:
    return Book(folder / 'labels.csv', recordings())


def change(start: float, end: float, label: str | None, recording: str = 'mug_1') -> Change:
    return Change(recording, round(start * NS), round(end * NS), label)


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """Let no file grow over some bytes, as a disk without room does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_each_step_is_in_the_file_at_once_as_training_reads_it(tmp_path: Path) -> None:
    mine = book(tmp_path)
    assert not mine.path.exists()
    assert mine.step([change(1, 2.5, 'mug'), change(0, 1, 'bowl', 'bowl_1')], 'two')
    assert mine.path.read_text() == f'{HEADER}bowl_1,0,1,bowl\nmug_1,1,2.5,mug\n'
    assert mine.step([change(1.5, 2, None)], 'a hole')
    assert from_csv(mine.path, recordings()).spans == mine.labels.spans
    assert mine.labels.at('mug_1', round(1.6 * NS)) is None


def test_a_step_that_changes_nothing_is_none(tmp_path: Path) -> None:
    mine = book(tmp_path)
    mine.step([change(1, 2, 'mug')], 'one')
    assert not mine.step([change(1.2, 1.8, 'mug')], 'the same')
    assert [step.said for step in mine.steps] == ['one']


def test_labels_that_were_there_are_kept_and_what_else_was_in_the_file_is_copied(
    tmp_path: Path,
) -> None:
    text = 'bag,start,end,label,note\n/bags/mug_1/mug_1,0,1,mug,with handle\n'.replace(
        '/bags/mug_1/', ''
    )
    (tmp_path / 'labels.csv').write_text(text)
    mine = book(tmp_path)
    mine.step([change(5, 6, 'mug')], 'more')
    assert mine.path.read_text() == f'{HEADER}mug_1,0,1,mug\nmug_1,5,6,mug\n'
    assert (tmp_path / 'labels.csv.before').read_text() == text
    mine.step([change(7, 8, 'mug')], 'more')
    assert not (tmp_path / 'labels.csv.before.2').exists()


def test_steps_can_be_taken_back_after_a_restart(tmp_path: Path) -> None:
    first = book(tmp_path)
    first.step([change(1, 2, 'mug')], 'one')
    first.step([change(1, 2, 'bowl')], 'two')
    first.step([change(3, 4, 'bowl')], 'three')
    first.undo()
    second = book(tmp_path)
    assert [step.said for step in second.steps] == ['one', 'two']
    assert second.undo().said == 'two'
    assert second.path.read_text() == f'{HEADER}mug_1,1,2,mug\n'
    third = book(tmp_path)
    third.undo()
    assert third.path.read_text() == HEADER
    with pytest.raises(LabelError, match='no step to take back'):
        third.undo()


def test_what_another_program_wrote_is_never_written_over(tmp_path: Path) -> None:
    mine = book(tmp_path)
    mine.step([change(1, 2, 'mug')], 'one')
    theirs = f'{HEADER}mug_1,1,2,mug\nmug_1,5,6,plate\n'
    mine.path.write_text(theirs)
    with pytest.raises(LabelError, match='changed by another program'):
        mine.step([change(3, 4, 'bowl')], 'two')
    assert mine.path.read_text() == theirs
    assert mine.labels.at('mug_1', 5 * NS) == 'plate'
    assert mine.steps == ()  # what led to another file leads back to nothing here
    mine.step([change(3, 4, 'bowl')], 'two')
    assert 'plate' in mine.path.read_text()


def test_a_full_disk_refuses_the_step_and_keeps_all_before(tmp_path: Path) -> None:
    mine = book(tmp_path)
    mine.step([change(1, 2, 'mug')], 'one')
    before = mine.path.read_text()
    with full_disk(40), pytest.raises(LabelError, match='cannot be written: File too large'):
        mine.step([change(3, 4, 'bowl')], 'two')
    assert mine.path.read_text() == before
    assert [step.said for step in mine.steps] == ['one']
    assert [step.said for step in book(tmp_path).steps] == ['one']
    mine.step([change(3, 4, 'bowl')], 'two')
    assert [step.said for step in book(tmp_path).steps] == ['one', 'two']


def test_a_step_that_was_noted_and_never_made_is_forgotten(tmp_path: Path) -> None:
    mine = book(tmp_path)
    mine.step([change(1, 2, 'mug')], 'one')
    (tmp_path / 'labels.csv.undo').open('a').write('{"to":"f00","before":{},"said":"never"}\n')
    again = book(tmp_path)
    assert [step.said for step in again.steps] == ['one']
    again.step([change(3, 4, 'bowl')], 'two')
    assert [step.said for step in book(tmp_path).steps] == ['one', 'two']


@pytest.mark.parametrize('noise', [b'', b'{', b'[]\n', b'\xff\xfe\n', b'{"to":1,"before":3}\n'])
def test_a_damaged_history_costs_no_label(tmp_path: Path, noise: bytes) -> None:
    mine = book(tmp_path)
    mine.step([change(1, 2, 'mug')], 'one')
    (tmp_path / 'labels.csv.undo').write_bytes(noise)
    again = book(tmp_path)
    assert again.steps == ()
    assert again.labels.spans == mine.labels.spans
    again.step([change(3, 4, 'bowl')], 'two')
    assert [step.said for step in book(tmp_path).steps] == ['two']


@pytest.mark.parametrize(
    'name', ['', ' ', 'unknown', 'Unknown', 'a\nb', 'a\x00', ' mug', 'm' * (MOST_LETTERS + 1)]
)
def test_a_name_that_is_not_allowed_changes_nothing(tmp_path: Path, name: str) -> None:
    mine = book(tmp_path)
    with pytest.raises(LabelError, match='this name'):
        mine.step([change(1, 2, 'mug'), change(3, 4, name)], 'wrong')
    assert not mine.path.exists()


@pytest.mark.parametrize(('start', 'end'), [(2.3, 1.9), (2, 2)])
def test_a_while_that_ends_before_it_begins_changes_nothing(
    tmp_path: Path, start: float, end: float
) -> None:
    mine = book(tmp_path)
    with pytest.raises(LabelError, match=f'mug_1: from {start:g} to {end:g} s is no while'):
        mine.step([change(5, 6, 'mug'), change(start, end, 'mug')], 'wrong')
    assert not mine.path.exists()


class Steps(RuleBasedStateMachine):
    """Any order of steps, undoing and restarts, beside a list of what the file has been."""

    @initialize()
    def begin(self) -> None:
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self.scratch.name)
        self.mine = book(self.folder)
        self.were = [self.mine.labels.spans]

    @rule(
        start=st.integers(0, 9),
        length=st.integers(1, 5),
        label=st.sampled_from(['bowl', 'mug', None]),
        name=st.sampled_from(NAMES),
    )
    def step(self, start: int, length: int, label: str | None, name: str) -> None:
        if self.mine.step([change(start, start + length, label, name)], 'step'):
            self.were.append(self.mine.labels.spans)

    @rule()
    def undo(self) -> None:
        if len(self.were) > 1:
            self.mine.undo()
            self.were.pop()

    @rule()
    def restart(self) -> None:
        self.mine = book(self.folder)

    def teardown(self) -> None:
        self.scratch.cleanup()

    @invariant()
    def all_is_as_it_was(self) -> None:
        assert self.mine.labels.spans == self.were[-1]
        assert len(self.mine.steps) == len(self.were) - 1
        if self.mine.path.exists():
            assert from_csv(self.mine.path, recordings()).spans == self.were[-1]


TestSteps = Steps.TestCase
TestSteps.settings = settings(max_examples=15, stateful_step_count=15)


def test_a_killed_writer_leaves_the_last_step_that_it_told_or_the_next(tmp_path: Path) -> None:
    code = (
        'import sys; from pathlib import Path\n'
        'from training.labelling.book import Book, Change\n'
        'from training.recordings.bags import Recording\n'
        'NS = 10**9\n'
        "r = [Recording('mug_1', Path('/b/mug_1'), Path('/b'), (), 0, 10**6 * NS, {})]\n"
        'book = Book(Path(sys.argv[1]), r)\n'
        'for n in range(100_000):\n'
        "    book.step([Change('mug_1', n * NS, (n + 1) * NS, f'class {n}')], str(n))\n"
        '    print(n, flush=True)\n'
    )
    known = [Recording('mug_1', Path('/b/mug_1'), Path('/b'), (), 0, 10**6 * NS, {})]
    file = tmp_path / 'labels.csv'
    chance = random.Random(0)
    for _ in range(2):
        file.unlink(missing_ok=True)
        (tmp_path / 'labels.csv.undo').unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, '-c', code, str(file)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == '0\n'
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            told = max(map(int, ['0', *process.stdout.read().split('\n')[:-1]]))
        mine = Book(file, known)
        made = len(mine.labels.spans['mug_1'])
        assert made in (told + 1, told + 2)
        assert len(mine.steps) == made
        assert json.loads((tmp_path / 'labels.csv.undo').read_bytes().splitlines()[0])
        mine.undo()
        assert len(mine.labels.spans['mug_1']) == made - 1
