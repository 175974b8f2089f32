# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings' rows as one table that nobody copies.

Features that are kept on disk are mapped, not read: the kernel brings what is looked at, and drops
it again where memory is short. Joined into one tensor they would be in memory all at once.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias

import torch
from torch import Tensor


class Joined:
    """Tensors one below the other, each staying where it is.

    Attributes:
        parts: [N_i, …], at least one; all but the first axis the same.
        shape: Of the whole, [ΣN_i, …].

    """

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.parts = tuple(parts)
        self._ends = list(accumulate(map(len, self.parts)))
        self.shape = torch.Size([self._ends[-1], *self.parts[0].shape[1:]])

    @property
    def device(self) -> torch.device:
        """Where the parts are."""
        return self.parts[0].device

    def __len__(self) -> int:
        """Count the rows of all parts."""
        return int(self.shape[0])

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """Copy some rows out.

        Args:
            rows: [M] numbers from 0, in any order; or [N] bool; or a slice without a step.

        Raises:
            IndexError: There is no such row.

        """
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._between(start, max(start, stop))
        if rows.dtype == torch.bool:
            rows = rows.nonzero().flatten()
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(self):
            raise IndexError(f'rows {int(rows.min())} to {int(rows.max())} of {len(self)}')
        found = self.parts[0].new_empty((len(rows), *self.shape[1:]))
        of = torch.bucketize(rows, torch.tensor(self._ends), right=True)
        for number in sorted(set(of.tolist())):
            here = of == number
            found[here] = self.parts[number][rows[here] - self._start(number)]
        return found

    def _between(self, start: int, stop: int) -> Tensor:
        first = min(bisect.bisect_right(self._ends, start), len(self.parts) - 1)
        last = bisect.bisect_left(self._ends, stop, first)
        pieces = [
            self.parts[number][max(start - self._start(number), 0) : stop - self._start(number)]
            for number in range(first, last + 1)
        ]
        return torch.cat(pieces)

    def _start(self, number: int) -> int:
        return self._ends[number - 1] if number else 0


Features: TypeAlias = Tensor | Joined
"""[N, D], in one piece or in several."""


def pieces(features: Features) -> tuple[Tensor, ...]:
    """Give all rows in order, piece by piece."""
    return (features,) if isinstance(features, Tensor) else features.parts


def size(features: Features) -> int:
    """Count the bytes."""
    return sum(piece.nbytes for piece in pieces(features))
