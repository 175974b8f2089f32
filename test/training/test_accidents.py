# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Killed anywhere, or out of disk: the training goes on and makes what it would have made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from recorder import record, rgbd

ACCIDENTS = Path(__file__).with_name('accidents.py')
NAMES = ('bowl_1', 'bowl_2', 'mug_1', 'mug_2')


@pytest.fixture(scope='module')
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp('bags'), 6)


def recorded(folder: Path, frames: int) -> Path:
    for name in NAMES:
        record(folder / name, rgbd(frames), 'mcap')
    rows = [f'{name},0,0.3,{name[:-2]}' for name in NAMES]
    (folder / 'labels.csv').write_text('\n'.join(['bag,start,end,label', *rows]) + '\n')
    return folder


def accidents(bags: Path, folder: Path, *words: str, inside: str = '') -> list[dict[str, Any]]:
    """Have accidents, and tell of each, with `-s`."""
    folder.mkdir()
    command = [sys.executable, str(ACCIDENTS), str(bags), str(folder), *words]
    within = ['unshare', '-rm', 'sh', '-c', f'{inside} && exec "$@"', 'sh', *command]
    done = subprocess.run(
        within if inside else command, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for each in told:
        shown = {name: value for name, value in each.items() if 'said' not in name}
        sys.stdout.write(f'{shown}\n')
    return told


def went_on(told: list[dict[str, Any]]) -> None:
    for each in told:
        assert each['code'] == 0, each
        assert each['same'] is True, each
        assert not each['left'], each


def test_killed_at_a_checkpoint_or_a_bundle_it_goes_on_to_the_same(
    bags: Path, tmp_path: Path
) -> None:
    told = accidents(bags, tmp_path / 'all', 'changes', 'os.rename /model/c', 'os.rename /model/.b')
    assert [each['ended'] for each in told] == [-9, -9]
    went_on(told)
    assert all('goes on where it was stopped' in each['said'] for each in told)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_before_any_change_on_disk_it_goes_on_to_the_same(
    bags: Path, tmp_path: Path
) -> None:
    told = accidents(bags, tmp_path / 'all', 'changes')
    assert len(told) > 40
    assert all(each['ended'] == -9 for each in told)
    went_on(told)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_killed_at_any_of_ten_moments_it_goes_on_to_the_same(tmp_path: Path) -> None:
    told = accidents(recorded(tmp_path / 'bags', 60), tmp_path / 'all', 'moments', '10')
    assert len(told) == 10
    went_on(told)


def can_mount(folder: Path) -> bool:
    """Whether a small file system of one's own can be had here."""
    if shutil.which('unshare') is None:
        return False
    mount = f'mount -t tmpfs -o size=1m tmpfs {folder}'
    return not subprocess.run(['unshare', '-rm', 'sh', '-c', mount], check=False).returncode


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_full_disk_is_one_line_and_loses_nothing(bags: Path, tmp_path: Path) -> None:
    if not can_mount(tmp_path):
        pytest.skip('no file system can be mounted here (unshare -rm)')
    folder = tmp_path / 'small'
    told = accidents(bags, folder, 'full', inside=f'mount -t tmpfs -o size=8m tmpfs "{folder}"')
    assert [each['place'] for each in told] == ['features', 'checkpoint', 'bundle', 'report']
    for each in told:
        assert each['full_code'] == 2, each
        [line] = [line for line in each['full_said'].splitlines() if line.startswith('train: ')]
        assert 'No space left on device' in line
        assert str(folder / each['place']) in line
        assert 'Traceback' not in each['full_said']
    went_on(told)
    found = {each['place']: each['said'] for each in told}
    assert '(6 found' in found['features']
    assert all('goes on where' in found[place] for place in ('checkpoint', 'bundle', 'report'))
