# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle that knows what is usual."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bundles import make_bundle

from mm_perception.trust import TrustSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope='session')
def trusting_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    usual = TrustSettings(
        false_rejection=0.01,
        novelty=dict.fromkeys(('rgbd', 'rgb', 'depth'), 1.0),
        false_alarm=0.01,
        contradiction=1.0,
    )
    return make_bundle(tmp_path_factory.mktemp('gpu') / 'bundle', trust=usual)
