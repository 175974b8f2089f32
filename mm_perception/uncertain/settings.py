# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is kept, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UncertainSettings:
    """Which frames are kept, and how many.

    Attributes:
        folder: Where; empty: nowhere.
        below: The probability of the best class below which a label is unsure.
        limit: Megabytes that the kept frames have on disk at most.
        pause: Seconds from one kept frame to the next, at least.

    """

    folder: str = ''
    below: float = 0.7
    limit: int = 1000
    pause: float = 1.0
