# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A file is the earlier one or the whole new one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from training.durable import replacing


def killed_while_it_writes(file: Path) -> None:
    if not (process := os.fork()):
        with replacing(file) as partial:
            partial.write_text('half')
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)


def fail_half_way(file: Path) -> None:
    with replacing(file) as partial:
        partial.write_text('half')
        raise OSError('full')


def test_nothing_is_there_before_all_is(tmp_path: Path) -> None:
    file = tmp_path / 'new' / 'file'
    with replacing(file) as partial:
        partial.write_text('half')
        assert not file.exists()
    assert file.read_text() == 'half'
    assert list(file.parent.iterdir()) == [file]


def test_what_fails_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / 'file'
    file.write_text('earlier')
    with pytest.raises(OSError, match='full'):
        fail_half_way(file)
    assert file.read_text() == 'earlier'
    assert list(tmp_path.iterdir()) == [file]


def test_the_dead_are_tidied_up_after_and_the_living_are_not(tmp_path: Path) -> None:
    file = tmp_path / 'file'
    killed_while_it_writes(file)
    assert len(list(tmp_path.iterdir())) == 1
    assert not file.exists()
    with replacing(file) as living:
        living.write_text('of the living')
        with replacing(file) as partial:
            partial.write_text('new')
        assert sorted(tmp_path.iterdir()) == sorted([file, living])
    assert file.read_text() == 'of the living'
