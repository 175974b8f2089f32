# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parent.parent

# A busy machine is slow, not wrong: no deadline for a single example. The same examples at each
# run, so that a test that passed for a change passes for it again.
settings.register_profile('mm_perception', deadline=None, derandomize=True)
settings.load_profile('mm_perception')


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Real recordings and crops, kept outside the project; tests that need them skip without."""
    folder = Path(os.environ.get('MM_PERCEPTION_DATA', CHECKOUT / '../shared/data')).resolve()
    if not folder.is_dir():
        pytest.skip(f'real data not at {folder}; set MM_PERCEPTION_DATA to its folder')
    return folder
