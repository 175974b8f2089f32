# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A real Kinect's scene: a table with five objects, and where each is in every frame.

The frames are RGB-D Scenes v2, scene 01 (Lai et al. 2014), kept outside the project. The boxes are
ours: drawn by hand in every twentieth frame, and carried from there to both sides by the colour
picture's optical flow, the two ways blended.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mm_perception.depth.registration import Intrinsics
from mm_perception.objects.boxes import Box
from mm_perception.observation import Frame, Modality, Observation

WIDTH, HEIGHT = 640, 480
CAMERA = Intrinsics(WIDTH, HEIGHT, (570.3, 0, 320, 0, 570.3, 240, 0, 0, 1))
PERIOD = 1_000_000_000 // 30
LEARNED = {'bowl': 'bowl', 'cap': 'cap', 'mug': 'coffee_mug', 'can': 'soda_can'}
"""What `uw_rgbd` has crops of, cut from this scene, and as what; of the yellow bowl it has none."""
_SEEN = Box(8 / WIDTH, 0, 592 / WIDTH, 468 / HEIGHT)  # by depth, which is narrower than colour


@dataclass(frozen=True)
class Scene:
    """Its frames, and what is in them."""

    folder: Path

    def observation(self, number: int) -> Observation:
        colour = cv2.imread(str(self.folder / f'{number:05d}-color.jpg'))
        depth = cv2.imread(str(self.folder / f'{number:05d}-depth.png'), cv2.IMREAD_UNCHANGED)
        metres = depth.astype(np.float32) / 1000
        metres[depth == 0] = np.nan
        images = {Modality.RGB: colour[:, :, ::-1], Modality.DEPTH: metres}
        stamp = 1 + number * PERIOD
        return Observation.of(
            *(Frame(m, stamp, 'camera', image, CAMERA) for m, image in images.items())
        )

    @staticmethod
    def truth() -> dict[int, dict[str, Box]]:
        """Where each object is that depth can see at least half of, by frame."""
        found: dict[int, dict[str, Box]] = {}
        with Path(__file__).with_suffix('.csv').with_stem('uw_scene01').open() as file:
            for row in csv.DictReader(file):
                left, right = int(row['left']) / WIDTH, int(row['right']) / WIDTH
                top, bottom = int(row['top']) / HEIGHT, int(row['bottom']) / HEIGHT
                box = Box(left, top, right - left, bottom - top)
                frame = found.setdefault(int(row['frame']), {})
                if (seen := _seen(box)).area >= 0.5 * box.area:
                    frame[row['object']] = seen
        return found


def _seen(box: Box) -> Box:
    left, top = max(box.left, _SEEN.left), max(box.top, _SEEN.top)
    right, bottom = min(box.right, _SEEN.right), min(box.bottom, _SEEN.bottom)
    return Box(left, top, max(right - left, 0), max(bottom - top, 0))
