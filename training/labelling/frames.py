# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The frames to label: which recording and moment each is, and what a label of it covers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mm_perception.health import NS
from training.features.dataset import Rows
from training.recordings.labels import Labels

NONE = -1
"""In place of a class's number: no label."""

_MS = NS // 1000


@dataclass(frozen=True, eq=False)
class Take:
    """A recording's frames.

    Attributes:
        rows: Its times and pictures; its features, which take much memory, are kept elsewhere.
        edges: [N + 1] ns: a label of frame i holds from edge i until just before edge i + 1.

    """

    rows: Rows
    edges: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows, duration: float) -> Take:
        """Take a recording's rows.

        Args:
            rows: At least one.
            duration: Of the recording, in seconds: no label may end after that.

        """
        kept = replace(rows, features={})
        return cls(kept, edges(rows.times.numpy(), round(duration * NS)))

    @property
    def name(self) -> str:
        """The recording's."""
        return self.rows.recording

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.rows)

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Give start and end in ns of a label that covers these frames, both included."""
        times = self.rows.times
        # Frames that came at the very same time cannot be told apart by a label file.
        start = min(int(self.edges[first]), int(times[first]))
        return start, max(int(self.edges[last + 1]), int(times[last]) + 1)

    def classes(self, labels: Labels, numbers: Mapping[str, int]) -> NDArray[np.int64]:
        """Number each frame's class, `NONE` where it has no label."""
        spans = labels.spans.get(self.name, [])
        times = self.rows.times.numpy()
        found = np.full(len(times), NONE)
        for span in spans:
            end = len(times) if span.end is None else np.searchsorted(times, span.end)
            found[np.searchsorted(times, span.start) : end] = numbers[span.label]
        return found


def edges(times: NDArray[np.int64], duration: int) -> NDArray[np.int64]:
    """Draw the line between neighbouring frames half way, at a whole millisecond if it can be.

    Args:
        times: [N] ns from the recording's start, in their order; at least one.
        duration: Of the recording, ns.

    Returns:
        [N + 1] ns; the first and the last frame reach as far out as they do to their neighbours,
        but not beyond the recording.

    """
    before, after = times[:-1], times[1:]
    middle = before + (after - before) // 2
    rounded = (middle + _MS // 2) // _MS * _MS
    middle = np.where((before < rounded) & (rounded <= after), rounded, middle)
    reach = int(np.median(after - before)) // 2 if len(times) > 1 else NS // 20
    first = max(int(times[0]) - reach, 0) // _MS * _MS
    last = min(int(times[-1]) + reach, max(duration, int(times[-1]) + _MS))
    return np.concatenate([[first], middle, [last]]).astype(np.int64)


def joined(rows: Sequence[Rows]) -> dict[str, NDArray[np.float32]]:
    """Join all frames' features, by modality."""
    names = rows[0].features
    return {name: np.concatenate([each.features[name].numpy() for each in rows]) for name in names}
