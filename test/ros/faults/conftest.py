# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The ledger of all faults, printed when the session ends.

``faults.csv`` and ``faults.png`` go into the folder named by the environment variable
``MM_PERCEPTION_FAULTS``, else into pytest's own temporary folder.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS is not installed')

import ledger_picture
from ledger import Ledger
from rich.console import Console

_LEDGER = pytest.StashKey[Ledger]()
_FOLDER = pytest.StashKey[Path]()
_WIDTH = 150


@pytest.fixture(scope='session')
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Where every fault's row goes; printed when the session ends."""
    stash = request.config.stash
    given = os.environ.get('MM_PERCEPTION_FAULTS')
    stash[_FOLDER] = Path(given) if given else tmp_path_factory.mktemp('faults')
    return stash.setdefault(_LEDGER, Ledger())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table, and write the file and the picture."""
    kept = config.stash.get(_LEDGER, None)
    if kept is None or not kept.rows:
        return
    form = 'long' if config.getoption('--long') else 'short'
    folder = config.stash[_FOLDER]
    folder.mkdir(parents=True, exist_ok=True)
    kept.write(folder / 'faults.csv')
    ledger_picture.draw(kept.rows, folder / 'faults.png', kept.summary(form))
    shown = Console(file=io.StringIO(), width=_WIDTH)
    shown.print(kept.table(form))
    terminalreporter.section('faults')
    terminalreporter.write_line(shown.file.getvalue())  # type: ignore[attr-defined]
    terminalreporter.write_line(f'{folder}/faults.csv and faults.png')
