# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that the person could not tell: asked about again only when nothing else is left."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class _Step(NamedTuple):
    before: NDArray[np.bool_]
    after: int
    said: str


class Aside:
    """The frames set aside, step by step between the steps of the labels; until the session ends.

    Attributes:
        frames: [N] whether each is; replaced at each step, never changed.

    """

    def __init__(self, count: int) -> None:
        """Begin with none of so many frames."""
        self.frames = np.zeros(count, np.bool_)
        self._steps: list[_Step] = []

    def __len__(self) -> int:
        """Count the steps."""
        return len(self._steps)

    def put(self, numbers: NDArray[np.int64], bare: NDArray[np.int64], after: int) -> None:
        """Set frames aside; where all that has no label is, they are the first of a new round.

        Args:
            numbers: Of the frames, one at least.
            bare: Of all frames without a label.
            after: How many steps of the labels there are by now.

        """
        frames = np.zeros_like(self.frames) if self.frames[bare].all() else self.frames.copy()
        frames[numbers] = True
        said = f'{len(numbers)} frame{"s" if len(numbers) > 1 else ""} left for later'
        self._steps.append(_Step(self.frames, after, said))
        self.frames = frames

    def last(self, labelled: int) -> str | None:
        """Say what the last step was, if it was one of these: the labels have had so many."""
        is_last = self._steps and self._steps[-1].after >= labelled
        return self._steps[-1].said if is_last else None

    def undo(self, labelled: int) -> bool:
        """Take the last step back, if it was one of these."""
        if self.last(labelled) is None:
            return False
        self.frames = self._steps.pop().before
        return True
