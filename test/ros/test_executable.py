# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The executable before it is a node."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from outside import DOMAIN, PATIENCE, until

from training.live.environment import live_environment

RUN = 'from mm_perception.interface.executable import main; main()'


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signal_while_torch_is_imported_ends_the_process_without_a_word(number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, '-c', RUN], env=live_environment(DOMAIN), stderr=subprocess.PIPE, text=True
    )
    try:
        maps = Path(f'/proc/{process.pid}/maps')
        until(lambda: 'libtorch' in maps.read_text(), 'torch')
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, said) == (0, '')
