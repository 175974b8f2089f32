# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A learning curve on disk: a line an epoch, which is there before any checkpoint has passed it."""

from __future__ import annotations

import os
from pathlib import Path

from mm_perception.errors import TrainingError


def note(path: Path, epoch: int, accuracy: float) -> None:
    """Add an epoch to a curve, in place of a last line that an interruption tore."""
    with path.open('a+b') as file:
        file.seek(0)
        file.truncate(_whole(file.read()))
        file.write(f'{epoch},{accuracy:.4f}\n'.encode())
        file.flush()
        os.fsync(file.fileno())  # checkpoints are, too: none may be ahead of its curve


def read_curve(path: Path) -> dict[int, float]:
    """Read the accuracies by epoch; one that was gone through again counts once, a torn one not.

    Raises:
        TrainingError: A line is something else.

    """
    content = path.read_bytes()
    curve = {}
    for number, line in enumerate(content[: _whole(content)].splitlines(), start=1):
        epoch, _, accuracy = line.partition(b',')
        try:
            curve[int(epoch)] = float(accuracy)
        except ValueError as error:
            raise TrainingError(
                f'{path}, line {number}: not an epoch and its accuracy; delete the file to learn '
                'the curve anew'
            ) from error
    return curve


def _whole(content: bytes) -> int:
    """Give the length without a torn last line."""
    return content.rfind(b'\n') + 1
