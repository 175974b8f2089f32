# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What became of each fault, as a table, a CSV file and a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One fault, survived.

    Attributes:
        group: What was broken: ``sensor``, ``image``, ``stamps``, ``transport``, ``model``,
            ``parameters``, ``lifecycle``, ``process``, ``device``.
        fault: What was done, as a reader of the table would say it.
        promise: What the node has to do all the same.
        labels: How many labels were looked at.
        broken: How many of them broke the promise: wrong mode, stale or bad image. To be 0.
        fail_over_ms: From the last good image of each loss to the first label without it.
        allowed_ms: How long that may take: two frame periods, 50 ms and one inference.
        recovery_ms: From the first good pair after each loss to the first label from both.

    """

    group: str
    fault: str
    promise: str
    labels: int
    broken: int = 0
    fail_over_ms: tuple[float, ...] = ()
    allowed_ms: float | None = None
    recovery_ms: tuple[float, ...] = ()
