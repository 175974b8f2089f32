# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What several benchmarks share."""

from __future__ import annotations

import io
import sys
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


class Uncaptured(io.TextIOBase):
    """Writes past the capturing, which goes on again after the fixtures of a test."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def write(self, text: str) -> int:
        with self.capsys.disabled():
            sys.stdout.write(text)
            sys.stdout.flush()
        return len(text)


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(file=Uncaptured(capsys), width=118)
