# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What several benchmarks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from rich.console import Console


@pytest.fixture(scope='module')
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Iterator[Console]:
    with capsys.disabled():
        yield Console(width=118)
