# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which moments of which recordings get a label, as one would who labels by hand for an hour."""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

FIELDS = ('bag', 'start', 'end', 'label')


@dataclass(frozen=True)
class Stretch:
    """A labelled stretch of a recording.

    Attributes:
        bag: The bag folder's name.
        start: Its beginning, in seconds from the bag's start.
        end: Its end, not included.
        label: The category seen.

    """

    bag: str
    start: float
    end: float
    label: str


def choose_frames(
    recordings: Mapping[str, Sequence[str]],
    frames: int,
    length: int,
    fraction: float,
    rng: np.random.Generator,
) -> dict[str, list[range]]:
    """Choose the labelled frames of each recording.

    A category's stretches are dealt out evenly to its recordings, so that few labels still see many
    instances; every category gets its share, and at least one frame unless the fraction is 0.

    Args:
        recordings: The names of each category's recordings.
        frames: How many frames each recording has.
        length: Frames in a stretch; the last one dealt may be shorter.
        fraction: Share of all frames to label.
        rng: Where the choice comes from.

    Returns:
        For each recording the labelled stretches, in order and apart from each other.

    """
    chosen: dict[str, list[range]] = {}
    for names in recordings.values():
        total = len(names) * frames
        wanted = min(total, max(1, round(fraction * total))) if fraction > 0 else 0
        slots = [(name, first) for name in names for first in _slots(frames, length, rng)]
        order = _dealt(slots, rng)
        picked: dict[str, list[range]] = {name: [] for name in names}
        for name, slot in order:
            if wanted <= 0:
                break
            taken = slot[: min(len(slot), wanted)]
            picked[name].append(taken)
            wanted -= len(taken)
        chosen |= {name: _joined(ranges) for name, ranges in picked.items()}
    return chosen


def _slots(frames: int, length: int, rng: np.random.Generator) -> list[range]:
    """Cut a recording into stretches, the first cut at random."""
    cuts = [0, *range(int(rng.integers(1, length + 1)), frames, length), frames]
    return [range(low, high) for low, high in itertools.pairwise(cuts) if low < high]


def _dealt(slots: list[tuple[str, range]], rng: np.random.Generator) -> list[tuple[str, range]]:
    """Shuffle, then take one from each recording in turn."""
    shuffled = [slots[index] for index in rng.permutation(len(slots))]
    turns: dict[str, int] = {}
    keyed = []
    for place, (name, slot) in enumerate(shuffled):
        turns[name] = turns.get(name, -1) + 1
        keyed.append((turns[name], place, name, slot))
    return [(name, slot) for _, _, name, slot in sorted(keyed, key=lambda item: item[:2])]


def _joined(ranges: list[range]) -> list[range]:
    """Join stretches that touch, in order."""
    joined: list[range] = []
    for part in sorted(ranges, key=lambda item: item.start):
        if joined and joined[-1].stop == part.start:
            joined[-1] = range(joined[-1].start, part.stop)
        else:
            joined.append(part)
    return joined


def write_labels(path: Path, stretches: Iterable[Stretch]) -> None:
    """Write ``bag,start,end,label`` rows, seconds from the bag's start to the millisecond."""
    with path.open('x', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for stretch in stretches:
            writer.writerow(
                (stretch.bag, f'{stretch.start:.3f}', f'{stretch.end:.3f}', stretch.label)
            )
