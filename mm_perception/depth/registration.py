# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a depth image lies on the colour image, from what the camera says of itself.

Live and in recordings alike: the label is made of the same place in both images, and on a camera
whose depth is not registered that place shows different things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mm_perception.errors import one_line

_SAME_RAYS = 0.02  # of the image's side: calibrations of one registered pair agree much better


@dataclass(frozen=True)
class Intrinsics:
    """The part of a camera_info that tells whether two cameras look along the same rays.

    Attributes:
        width: Image width in pixels.
        height: Image height in pixels.
        k: The 3x3 camera matrix in pixels, row by row.

    """

    width: int
    height: int
    k: Sequence[float]

    @classmethod
    def of(cls, msg: Any) -> Intrinsics:
        """Read a CameraInfo message; ROS 1 writes K where ROS 2 writes k."""
        k = msg.k if hasattr(msg, 'k') else msg.K
        return cls(int(msg.width), int(msg.height), tuple(float(value) for value in k))

    @property
    def known(self) -> bool:
        """Whether the camera knows itself; drivers of uncalibrated ones send zeros."""
        return self.width > 0 and self.height > 0 and any(self.k)

    def sees_as(self, other: Intrinsics) -> bool:
        """Whether both see the same thing at the same place of their images; True if unknown.

        Focal lengths and centre are compared as fractions of the image: another resolution of the
        same view is fine, since regions are fractions, too.
        """
        if not (self.known and other.known):
            return True
        pairs = zip(self.fractions(), other.fractions(), strict=True)
        return all(abs(a - b) <= _SAME_RAYS for a, b in pairs)

    def fractions(self) -> tuple[float, float, float, float]:
        """Focal length and centre as fractions of the image: fx, cx, fy, cy."""
        fx, _, cx, _, fy, cy = self.k[:6]
        return fx / self.width, cx / self.width, fy / self.height, cy / self.height


@dataclass(frozen=True)
class View:
    """What is known of where a sensor's images are taken from.

    Attributes:
        frame_id: The optical frame; empty when the driver names none.
        size: Width and height of the images in pixels; None when unknown.
        camera: From its camera_info; None when none came.

    """

    frame_id: str
    size: tuple[int, int] | None = None
    camera: Intrinsics | None = None


def misregistration(rgb: View, depth: View) -> str | None:
    """Say why the depth image does not lie on the colour image, or None when it seems to.

    What is unknown of either speaks for it: only a contradiction is a reason.
    """
    if rgb.frame_id and depth.frame_id and rgb.frame_id != depth.frame_id:
        return one_line(f'depth is in the frame {depth.frame_id}, colour in {rgb.frame_id}')
    if rgb.size and depth.size and not _same_shape(rgb.size, depth.size):
        (width, height), (columns, rows) = rgb.size, depth.size
        return f'depth is {columns}x{rows}, colour {width}x{height}: not the same view'
    if rgb.camera and depth.camera and not rgb.camera.sees_as(depth.camera):
        return "the two camera_info differ: depth is not seen from colour's place"
    return None


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether width to height is the same."""
    across, down = one[0] * other[1], one[1] * other[0]
    return abs(across - down) <= max(across, down) * _SAME_RAYS
