# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The objects that somebody else finds: a detector that publishes boxes.

A detector takes its time, so a picture's own boxes are often not there when it is labelled. Then
those of an earlier picture will do, if it is not too old; of none other a label is made.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from mm_perception.errors import ImageError
from mm_perception.health import NS
from mm_perception.images import stamp_of
from mm_perception.objects.boxes import Box
from mm_perception.objects.finding import SceneObject
from mm_perception.objects.tabletop import TabletopSettings
from mm_perception.objects.tracks import Tracks, TrackSettings
from mm_perception.observation import Modality, Observation

_HISTORY = 64  # messages: two seconds of a fast detector
_MOST = 200  # boxes of a message: to tell who is who, each is compared with each
_JUMP = NS  # a stamp that is further back than this is a clock set back, or a bag that loops
_AS_GIVEN = TrackSettings(steadiness=0, carry=0, missed=0)  # who is who, and nothing else


class _Detections(NamedTuple):
    """One message's boxes, in pixels: across and down to the middle, width, height, turn."""

    stamp: int
    boxes: tuple[tuple[float, float, float, float, float], ...]


class DetectionFinder:
    """Gives each picture the boxes detected in it or shortly before, and follows them.

    ``take`` and ``find`` may be called on different threads.

    Attributes:
        slop: Seconds that detections may be newer than the image: stamps of one moment may differ.

    """

    def __init__(
        self,
        age: float,
        slop: float,
        clock: Callable[[], int],
        table: TabletopSettings | None = None,
    ) -> None:
        """Begin without detections.

        Args:
            age: Seconds that they may be older than the image that is labelled with them.
            slop: See the attribute.
            clock: The time in ns, for messages without a stamp.
            table: The bundle's; objects are cut out with its margin, and as many of them.

        """
        self._age, self.slop, self._clock = age, slop, clock
        table = table or TabletopSettings()
        self._margin, self._most = table.margin, table.max_objects
        self._tracks = Tracks(_AS_GIVEN)
        self._size: tuple[int, int] | None = None  # rows and columns of the colour picture
        self._lock = threading.Lock()
        self._recent: deque[_Detections] = deque(maxlen=_HISTORY)

    def take(self, message: Any) -> None:
        """Take a vision_msgs/Detection2DArray that has just arrived."""
        boxes = tuple(
            (
                float(each.bbox.center.position.x),
                float(each.bbox.center.position.y),
                float(each.bbox.size_x),
                float(each.bbox.size_y),
                float(each.bbox.center.theta),
            )
            for each in message.detections[:_MOST]
        )
        stamp = stamp_of(message) or self._clock()
        with self._lock:
            if self._recent and stamp < self._recent[-1].stamp - _JUMP:
                self._recent.clear()
            self._recent.append(_Detections(stamp, boxes))

    def find(self, observation: Observation) -> list[SceneObject]:
        """Give the objects of the next frame.

        Returns:
            Those nearest to the picture's middle, the main one first; none where none was detected.

        Raises:
            ImageError: There are no detections that belong to it.

        """
        colour = observation.frames.get(Modality.RGB)
        frame = colour or observation.frames[Modality.DEPTH]
        if colour is not None:
            self._size = colour.image.shape[:2]
        size = self._size or frame.image.shape[:2]  # registered depth shows the same
        boxes = [_box(each, *size) for each in self._nearest(frame.stamp).boxes]
        seen = [box for box in boxes if box.area > 0]
        tracks = self._tracks.update(observation.stamp, seen, None)
        objects = [
            SceneObject(t.id, t.box, t.box.widened(self._margin).inside(), carried=False)
            for t in tracks
        ]
        nearest = sorted(objects, key=lambda each: (each.box.eccentricity, each.id))
        return nearest[: self._most]

    def _nearest(self, stamp: int) -> _Detections:
        with self._lock:
            recent = list(reversed(self._recent))  # of the same stamp the last one said counts
        if not recent:
            raise ImageError(
                'no detections have come yet: is the detector running, and the topic detections '
                'remapped to its own?'
            )
        ages = [(stamp - each.stamp) / NS for each in recent]
        fitting = [i for i, age in enumerate(ages) if -self.slop <= age <= self._age]
        number = min(fitting or range(len(ages)), key=lambda i: abs(ages[i]))
        age = ages[number]
        if age > self._age:
            raise ImageError(
                f'the newest detections are {age:.2f} s older than the image: is the detector '
                'running? if it is that slow, raise detections_age'
            )
        if age < -self.slop:
            raise ImageError(
                f'the nearest detections are {-age:.2f} s newer than the image: do the detector '
                'and the camera have the same clock?'
            )
        return recent[number]


def _box(given: tuple[float, float, float, float, float], height: int, width: int) -> Box:
    """Turn pixels into fractions; a box that is turned is bounded, a senseless one is empty."""
    x, y, across, down, turn = given
    if not all(map(math.isfinite, given)):
        return Box(0, 0, 0, 0)
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    across, down = cos * across + sin * down, sin * across + cos * down
    left, top = (x - across / 2) / width, (y - down / 2) / height
    return Box(left, top, across / width, down / height).inside()
