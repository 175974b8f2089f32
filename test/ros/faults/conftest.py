# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The ledger of all faults, printed when the session ends.

``faults.csv`` and ``faults.png`` go into the folder named by the environment variable
``MM_PERCEPTION_FAULTS``, else into pytest's own temporary folder.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='ROS is not installed')

import ledger_picture
import playable
from case import Case
from ledger import Ledger
from orders import RATE
from outside import NodeProcess, Outside
from rich.console import Console
from trial import Trial
from world import Operator, World, running_world

_LEDGER = pytest.StashKey[Ledger]()
_FOLDER = pytest.StashKey[Path]()
_WIDTH = 150
_AGAIN = 2  # times that a busy machine gets another chance


@pytest.fixture(scope='session')
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Where every fault's row goes; printed when the session ends."""
    stash = request.config.stash
    given = os.environ.get('MM_PERCEPTION_FAULTS')
    stash[_FOLDER] = Path(given) if given else tmp_path_factory.mktemp('faults')
    return stash.setdefault(_LEDGER, Ledger())


@pytest.fixture(scope='session')
def ledger_folder(request: pytest.FixtureRequest, ledger: Ledger) -> Path:  # noqa: ARG001 - whose it is
    """Where the ledger's files go, and what else is measured."""
    folder = request.config.stash[_FOLDER]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope='session')
def world(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[World]:
    """One node for all faults of the streams, and what it looks at."""
    folder = tmp_path_factory.mktemp('world')
    bag = playable.write_playable(folder / 'bag', 4.0, RATE, scale=4)
    with running_world(folder, bundle, bag) as world:
        yield world


@pytest.fixture(scope='module')
def watched(world: World) -> Iterator[World]:
    """The world while a module looks at it; its eyes rest while other tests run."""
    yield world
    world.close()


@pytest.fixture(scope='session')
def operator(world: World) -> Iterator[Operator]:  # noqa: ARG001 - the node whom it operates
    """Somebody who operates the node."""
    operator = Operator()
    yield operator
    operator.close()


@pytest.fixture
def case(watched: World, ledger: Ledger) -> Case:
    """Break something in its ``with`` statement; every label is judged at its end."""
    return Case(watched, ledger).begin()


@pytest.fixture
def trial(outside: Outside, perception: NodeProcess, ledger: Ledger, tmp_path: Path) -> Trial:
    """Do something to the node that all tests share; every label meanwhile is looked at."""
    return Trial(outside, perception.process.pid, ledger, tmp_path)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Do a case again that went wrong while the machine kept the node waiting."""
    case = pyfuncitem.funcargs.get('case')
    if not isinstance(case, Case):
        return None
    for _ in range(_AGAIN):
        if _succeeds(pyfuncitem, case):
            return True
        case.begin()
    return None  # this time as any test


def _succeeds(test: pytest.Function, case: Case) -> bool:
    """Do a case; its failure counts if the machine let the node work meanwhile."""
    try:
        test.obj(**{name: test.funcargs[name] for name in test._fixtureinfo.argnames})
    except AssertionError:
        if case.is_fair:
            raise
        return False
    return True


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
