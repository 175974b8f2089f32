# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The same object seen a little differently: what changes a picture, but not what it shows.

It changes what the sensors gave, before anything is made of it: distances stay metres, so that jet
colours the new crop's own nearest and farthest, and normals are those of the surface that is seen
(turned over, a slope to the left is one to the right). Colour and depth of one moment are changed
alike; only colour knows light.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mm_perception.observation import Modality

_LEAST_AREA = 0.6  # of the crop that is left
_ASPECT = math.log(4 / 3)  # its sides may change so much against each other
_LIGHT = 0.25  # by how much colours get brighter or darker
_LEAST_SIDE = 8  # pixels
_GREY = 0.25  # how often a painted picture has no colour left
_HUES = 180  # OpenCV's circle


@dataclass(frozen=True)
class Augmentation:
    """One change, the same for every modality.

    Attributes:
        left: Where the part begins, as a share of what is cut off.
        top: Likewise.
        width: Of the part, as a share of the picture's.
        height: Likewise.
        turned: Whether left and right change places.
        light: A factor.
        hue: By how much of the circle of hues colours are turned.
        saturation: A factor.

    """

    left: float
    top: float
    width: float
    height: float
    turned: bool
    light: float
    hue: float = 0.0
    saturation: float = 1.0

    @classmethod
    def draw(cls) -> Augmentation:
        """Draw one with torch's own random state, which checkpoints keep."""
        area, aspect, left, top, side, light = torch.rand(6).tolist()
        scale = math.sqrt(_LEAST_AREA + (1 - _LEAST_AREA) * area)
        stretch = math.exp((aspect - 0.5) * _ASPECT)
        width, height = min(scale * stretch, 1.0), min(scale / stretch, 1.0)
        return cls(left, top, width, height, side < 0.5, 1 + _LIGHT * (2 * light - 1))  # noqa: PLR2004 - as often as not

    def painted(self) -> Augmentation:
        """Give the object other colours, too: things of a kind are told by their shape."""
        hue, grey, saturation = torch.rand(3).tolist()
        factor = 0.0 if grey < _GREY else 0.4 + 1.2 * saturation
        return replace(self, hue=hue, saturation=factor)

    def __call__(self, views: Mapping[Modality, NDArray[Any]]) -> dict[Modality, NDArray[Any]]:
        """Change colour [H, W, 3] uint8 and depth [H, W] in metres, each of its own size."""
        changed = {}
        for modality, view in views.items():
            part = self._part(view)
            if modality is Modality.RGB:
                part = self._coloured(np.clip(part * np.float32(self.light), 0, 255))
            changed[modality] = part.copy()
        return changed

    def _coloured(self, view: NDArray[np.float32]) -> NDArray[np.uint8]:
        picture = view.astype(np.uint8)
        if not self.hue and self.saturation == 1:
            return picture
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + self.hue * _HUES) % _HUES
        hsv[..., 1] = np.clip(hsv[..., 1] * self.saturation, 0, 255)
        painted = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
        return cast('NDArray[np.uint8]', painted)

    def _part(self, view: NDArray[Any]) -> NDArray[Any]:
        top, bottom = _span(view.shape[0], self.top, self.height)
        left, right = _span(view.shape[1], self.left, self.width)
        part = view[top:bottom, left:right]
        return part[:, ::-1] if self.turned else part


def _span(size: int, begin: float, share: float) -> tuple[int, int]:
    length = min(max(round(share * size), _LEAST_SIDE), size)
    start = round(begin * (size - length))
    return start, start + length
