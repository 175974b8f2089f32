# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parent.parent

# A shell has what it starts in the background ignore Ctrl-C, and all that they start in turn.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow, not wrong: no deadline for a single example. The same examples at each
# run, so that a test that passed for a change passes for it again.
settings.register_profile('mm_perception', deadline=None, derandomize=True)
settings.load_profile('mm_perception')


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch between the form for every change and the one for every release."""
    parser.addoption('--long', action='store_true', help='what is marked long, too: hours')


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked long, unless it was asked for."""
    if config.getoption('--long'):
        return
    long = [item for item in items if item.get_closest_marker('long')]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if not item.get_closest_marker('long')]


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Real recordings and crops, kept outside the project; tests that need them skip without."""
    folder = Path(os.environ.get('MM_PERCEPTION_DATA', CHECKOUT / '../shared/data')).resolve()
    if not folder.is_dir():
        pytest.skip(f'real data not at {folder}; set MM_PERCEPTION_DATA to its folder')
    return folder
