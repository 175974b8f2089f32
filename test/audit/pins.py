# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The pinned packages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement

CONSTRAINTS = Path(__file__).parents[2] / 'constraints.txt'


def read_pins(path: Path = CONSTRAINTS, *, everywhere: bool = False) -> Mapping[str, str]:
    """Give the version of every package pinned for this Python, or for any."""
    lines = path.read_text(encoding='utf-8').splitlines()
    pins = [Requirement(line) for line in lines if line.strip() and not line.startswith('#')]
    return {
        pin.name: str(pin.specifier).removeprefix('==')
        for pin in pins
        if everywhere or pin.marker is None or pin.marker.evaluate()
    }
