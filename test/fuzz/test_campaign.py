# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The campaign itself: a promise that is broken is found, told and saved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from fuzz import campaign, one_target, promises


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ('inputs', 'found'):
        (tmp_path / part).mkdir()
    return tmp_path


def brittle(data: bytes) -> None:
    """Breaks on what takes two steps to reach, of which the first is told apart."""
    promises.said.append(f'{b"[" in data}')
    assert data.count(b'[') < 6, 'broken'


def test_broken_promise_is_found_without_coverage_and_saved(folder: Path) -> None:
    target = SimpleNamespace(target=brittle, seeds=lambda: [b'nothing', b'to see'])
    one_target.by_outcome(target, seconds=60, seed=1, folder=folder)
    (found,) = (folder / 'found').iterdir()
    with pytest.raises(AssertionError, match='broken'):
        brittle(found.read_bytes())
    assert any(b'[' in kept.read_bytes() for kept in (folder / 'inputs').iterdir())


def test_campaign_prints_what_each_target_did(tmp_path: Path) -> None:
    command = [sys.executable, campaign.__file__, 'camera_info', 'rvl_stream']
    options = ['--minutes', '0.03', '--seed', '7', '--corpus', tmp_path]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row.split()[0]: row.split() for row in done.stdout.splitlines()[2:]}
    for name in ('camera_info', 'rvl_stream'):
        executions, _, paths, seed, found = rows[name][1:]
        assert int(executions.replace(',', '')) > 100
        assert (int(paths) > 0, seed, found) == (True, '7', '0')
    unknown = subprocess.run([*command, 'nothing'], capture_output=True, text=True, check=False)
    assert (unknown.returncode, 'no target nothing' in unknown.stdout) == (2, True)
