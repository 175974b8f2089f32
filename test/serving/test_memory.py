# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is freed while a model is read does not stay; what stays is not looked at any more."""

from __future__ import annotations

import subprocess
import sys

# Pieces below the size that goes straight back to the kernel, as a convolution's weights are, held
# by a ring, as a traced network's are.
FORGETFUL = """
import gc
from pathlib import Path
import torch
from mm_perception.serving import memory

def resident():
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096 >> 20

memory.keep_freed_memory()
before = resident()
ring = [torch.ones(2 << 20) for _ in range(60)]
last = torch.ones(1000)
ring.append(ring)
del ring
held = resident() - before
memory.give_back_memory()
print(held, resident() - before, len(gc.get_objects()))
"""


def test_memory_that_starting_took_is_given_back() -> None:
    told = subprocess.run(
        [sys.executable, '-c', FORGETFUL], check=True, capture_output=True, text=True
    )
    held, left, to_be_looked_at = map(int, told.stdout.split())
    assert held > 400  # MiB
    assert left < 100
    assert to_be_looked_at < 1000  # of some 200,000: a full collection stops every thread
