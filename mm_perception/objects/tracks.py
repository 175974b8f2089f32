# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Objects keep their identity and their box from frame to frame, and for a while without depth.

What is found is the object whose box it overlaps most. An object that is not found, since depth is
gone or does not show it, is carried on by the colour picture's own motion, and dropped when that
cannot be told or its time is over. Time is the stamps'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mm_perception.health import NS
from mm_perception.objects.boxes import Box
from mm_perception.objects.motion import Grey, grey_of, shifts

_VISIBLE = 0.5  # of a box: one that is carried farther out of the picture is dropped


class TrackSettings(BaseModel):
    """How objects are followed from frame to frame."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    min_overlap: float = Field(
        0.2,
        gt=0,
        le=1,
        description='Intersection over union of two boxes that may be of the same object.',
    )
    steadiness: float = Field(
        0.5,
        ge=0,
        lt=1,
        description='How much of its last box an object keeps that stands still; the faster it '
        'moves, the less it is.',
    )
    carry: float = Field(
        2.0, ge=0, le=60, description='Seconds that boxes are carried on without depth.'
    )
    missed: float = Field(
        0.5, ge=0, le=60, description='Seconds that a box is carried on which depth does not show.'
    )


@dataclass(frozen=True)
class Track:
    """An object.

    Attributes:
        id: From 1, never given twice.
        box: Where it is.
        first: The stamp at which depth first showed it, in ns.
        seen: The stamp at which depth last did.
        carried: Whether the box was carried on since.

    """

    id: int
    box: Box
    first: int
    seen: int
    carried: bool = False


class Tracks:
    """The objects that are there now."""

    def __init__(self, settings: TrackSettings | None = None) -> None:
        """Begin without any.

        Args:
            settings: How they are followed.

        """
        self.settings = settings or TrackSettings()
        self._tracks: list[Track] = []
        self._stamp = 0
        self._grey: Grey | None = None  # the colour picture that the boxes are of
        self._given = 0

    def update(
        self, stamp: int, found: Sequence[Box] | None, picture: NDArray[np.uint8] | None
    ) -> list[Track]:
        """Go on to the next frame.

        Args:
            stamp: Of the frame, in ns. One that goes back is another recording: all is forgotten.
            found: The boxes that depth shows; None where there is no depth.
            picture: The colour image, H×W×3; None where there is none.

        Returns:
            Every object that is there, the longest known first.

        """
        if stamp < self._stamp:
            self._tracks, self._grey = [], None
        grey = None if picture is None else grey_of(picture)
        boxes = found or ()
        pairs = _matched(self._tracks, boxes, self.settings.min_overlap)
        kept = [self._drawn(self._tracks[i], boxes[j], stamp) for i, j in pairs.items()]
        rest = [track for i, track in enumerate(self._tracks) if i not in pairs]
        waited = [track for track in rest if self._waits(track, stamp, lost=found is None)]
        kept += self._carried(waited, grey)
        matched = set(pairs.values())
        kept += [self._new(box, stamp) for j, box in enumerate(boxes) if j not in matched]
        self._tracks = sorted(kept, key=lambda track: track.id)
        self._stamp, self._grey = stamp, grey
        return list(self._tracks)

    def _drawn(self, track: Track, box: Box, stamp: int) -> Track:
        share = 1 - self.settings.steadiness * track.box.overlap(box)
        return replace(track, box=track.box.drawn_to(box, share), seen=stamp, carried=False)

    def _waits(self, track: Track, stamp: int, *, lost: bool) -> bool:
        """Whether to wait for depth to show it again; what it showed by mistake is not waited for.

        Of an object that depth does not show, though it is there, no more is made than is known.
        """
        if lost:
            return stamp - track.seen <= self.settings.carry * NS
        known = track.seen - track.first
        return stamp - track.seen <= min(self.settings.missed * NS, known)

    def _carried(self, tracks: Sequence[Track], grey: Grey | None) -> list[Track]:
        """Move boxes with what they show; those of which that cannot be told are left out."""
        if not tracks or grey is None or self._grey is None:
            return []
        ways = shifts(self._grey, grey, [track.box for track in tracks])
        carried = []
        for track, way in zip(tracks, ways, strict=True):
            if way is None:
                continue
            box = track.box.moved(*way)
            if box.inside().area >= _VISIBLE * box.area:
                carried.append(replace(track, box=box, carried=True))
        return carried

    def _new(self, box: Box, stamp: int) -> Track:
        self._given += 1
        return Track(self._given, box, stamp, stamp)


def _matched(tracks: Sequence[Track], found: Sequence[Box], min_overlap: float) -> dict[int, int]:
    """Give the number of each track's box, where it has one; those that overlap most first."""
    overlaps = [
        (track.box.overlap(box), i, j)
        for i, track in enumerate(tracks)
        for j, box in enumerate(found)
    ]
    pairs: dict[int, int] = {}
    for overlap, i, j in sorted(overlaps, key=lambda each: (-each[0], *each[1:])):
        if overlap >= min_overlap and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs
