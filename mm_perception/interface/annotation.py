# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A picture of what the node sees and says: region, label, bars of the likeliest classes, mode."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mm_perception.objects.finding import LabelledObject
from mm_perception.observation import Frame, Modality, Prediction
from mm_perception.regions import Region, RegionSettings, find_region

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

_BARS = 5  # classes shown
_GREEN: Colour = (60, 200, 60)
_ORANGE: Colour = (255, 150, 30)
_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (0, 0, 0)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FAINT = 64  # of 255: the edge of a letter that is smoothed
_SMALLEST = 0.3  # text
_REFERENCE = 480.0  # image height at which text has size 1


def annotate(
    frames: Sequence[Frame],
    where: RegionSettings,
    prediction: Prediction | None,
    objects: Sequence[LabelledObject] | None = None,
) -> Image:
    """Draw a prediction over the colour image it was made from; over depth if there is no other.

    Args:
        frames: The frames that the prediction was made from; they are not changed.
        where: Which part of the image was classified, where no objects were sought.
        prediction: What was said of it, or of the main object; None where there is none.
        objects: All objects, the main one first; None where none were sought.

    Returns:
        An H×W×3 uint8 RGB image of its own; depth is shown as grey, near bright.

    """
    frame = min(frames, key=lambda frame: frame.modality is not Modality.RGB)
    canvas = _canvas(frame)
    _draw_objects(canvas, [(find_region(where, frame, o.seen.box), o) for o in objects or ()])
    if prediction is not None:
        if objects is None:
            _frame_region(canvas, find_region(where, frame), prediction, 2)
        _draw_headline(canvas, prediction)
    return canvas


def _colour_of(prediction: Prediction) -> Colour:
    """Say that a sensor is missing, without reading."""
    return _GREEN if prediction.mode == 'rgbd' else _ORANGE


def _frame_region(canvas: Image, region: Region, prediction: Prediction, width: float) -> None:
    thick = max(1, round(width * canvas.shape[0] / _REFERENCE))
    corner = region.x + region.width - 1, region.y + region.height - 1
    cv2.rectangle(canvas, (region.x, region.y), corner, _colour_of(prediction), thick)


def _draw_objects(canvas: Image, objects: Sequence[tuple[Region, LabelledObject]]) -> None:
    """Frame the objects, the main one twice as thick, and name them where there is room."""
    scale = canvas.shape[0] / _REFERENCE
    for number, (region, each) in enumerate(objects):
        _frame_region(canvas, region, each.prediction, 1.5 if number else 3)
    taken: list[Region] = []
    for region, each in objects:
        colour, size = _colour_of(each.prediction), 0.45 * scale
        text = f'{each.prediction.label} {each.prediction.confidence:.0%}'
        (width, height), _ = cv2.getTextSize(text, _FONT, max(size, _SMALLEST), 1)
        gap = round(5 * scale)
        spots = (
            Region(region.x, max(region.y - gap - height, 0), width, height),
            Region(region.x, region.y + region.height + gap, width, height),
        )
        spot = next((s for s in spots if not any(_touch(s, other) for other in taken)), spots[0])
        taken.append(spot)
        _write(canvas, text, (spot.x, spot.y + spot.height), size, colour)
        foot = region.x + gap, region.y + region.height - gap
        _write(canvas, f'#{each.seen.id}', foot, size, colour)


def _touch(one: Region, other: Region) -> bool:
    across = one.x < other.x + other.width and other.x < one.x + one.width
    return across and one.y < other.y + other.height and other.y < one.y + one.height


def _draw_headline(canvas: Image, prediction: Prediction) -> None:
    scale, colour = canvas.shape[0] / _REFERENCE, _colour_of(prediction)
    headline = f'{prediction.label} {prediction.confidence:.0%} [{prediction.mode}]'
    line = round(30 * scale)
    _write(canvas, headline, (round(8 * scale), line), 0.9 * scale, colour)
    _draw_bars(canvas, _likeliest(prediction), line, scale, colour)


def _likeliest(prediction: Prediction) -> Sequence[tuple[str, float]]:
    ranked = sorted(prediction.probabilities.items(), key=lambda item: item[1], reverse=True)
    return ranked[:_BARS]


def _draw_bars(
    canvas: Image, classes: Sequence[tuple[str, float]], top: int, scale: float, colour: Colour
) -> None:
    """Draw one bar a class under the headline; a quarter of the image's width is certainty."""
    left, height = round(8 * scale), max(4, round(18 * scale))
    full = canvas.shape[1] // 4
    for row, (name, probability) in enumerate(classes):
        y = top + height // 2 + row * height
        cv2.rectangle(canvas, (left, y), (left + full, y + height - 2), _BLACK, cv2.FILLED)
        end = left + round(full * probability)
        cv2.rectangle(canvas, (left, y), (end, y + height - 2), colour, cv2.FILLED)
        _write(canvas, name, (left + 2, y + height - 4), 0.45 * scale, _WHITE)


def _write(canvas: Image, text: str, at: tuple[int, int], size: float, colour: Colour) -> None:
    """Write with a dark outline, so that it reads on any picture."""
    size = max(size, _SMALLEST)
    (width, height), below = cv2.getTextSize(text, _FONT, size, 1)
    left, top = max(at[0] - 2, 0), max(at[1] - height - 2, 0)
    around = canvas[top : max(at[1] + below + 2, 0), left : max(at[0] + width + 2, 0)]
    if around.size:
        # Not the same text, thicker: in OpenCV 5 thick letters are wider.
        ink = np.zeros(around.shape[:2], np.uint8)
        cv2.putText(ink, text, (at[0] - left, at[1] - top), _FONT, size, 255, 1, cv2.LINE_AA)
        around[cv2.dilate(ink, np.ones((3, 3), np.uint8)) > _FAINT] = _BLACK
    cv2.putText(canvas, text, at, _FONT, size, colour, 1, cv2.LINE_AA)


def _canvas(frame: Frame) -> Image:
    """Copy the frame's image as RGB."""
    if frame.modality is Modality.RGB:
        return np.array(frame.image, dtype=np.uint8)
    grey = _grey(np.asarray(frame.image, dtype=np.float32))
    return np.repeat(grey[..., None], 3, axis=2)


def _grey(depth: NDArray[np.float32]) -> Image:
    """Show metres as grey levels: near 255, far 55, unknown 0."""
    known = np.isfinite(depth)
    if not known.any():
        return np.zeros(depth.shape, np.uint8)
    near, far = float(depth[known].min()), float(depth[known].max())
    nearness = (far - np.where(known, depth, far)) / max(far - near, 1e-6)
    return np.where(known, 55 + 200 * nearness, 0).astype(np.uint8)
