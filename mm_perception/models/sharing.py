# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of a whole batch, when each of several processes holds some of its rows.

Training may share a batch out (``training.fitting.distributed``). Means over the batch, and the
spread that batch normalisation divides by, are then of all processes' rows. A process that is
alone, as on a robot, has the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor


@dataclass
class _Sharing:
    """How to sum over the processes; None while this one is alone."""

    total: Callable[[Tensor], Tensor] | None = None


_SHARING = _Sharing()


@contextmanager
def sharing(total: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within the block, rows are a part of a batch.

    Args:
        total: Sums a tensor over the processes, so that each gets the sum and gradients go back.

    """
    _SHARING.total = total
    try:
        yield
    finally:
        _SHARING.total = None


def shared() -> bool:
    """Whether other processes hold more rows of the batch."""
    return _SHARING.total is not None


def total(values: Tensor) -> Tensor:
    """Sum over the processes that share the batch."""
    return values if _SHARING.total is None else _SHARING.total(values)


def count(rows: Tensor) -> Tensor:
    """Count the rows of all processes, a scalar beside them; at least 1."""
    return total(rows.new_tensor(float(len(rows)))).clamp(min=1)
