# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A Kinect's two sensors: what they make of the light and the distances before them.

Sources: Nguyen, Izadi, Lovell, *Modeling Kinect Sensor Noise for Improved 3D Reconstruction and
Tracking*, 3DIMPVT 2012 (axial noise, lateral noise); Khoshelham, Elberink, *Accuracy and Resolution
of Kinect Depth Data for Indoor Mapping Applications*, Sensors 12, 2012 (disparity, its steps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from .camera import FOCAL, HEIGHT, WIDTH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.float32]
    Colour = NDArray[np.uint8]
    Depth = NDArray[np.uint16]

NEAREST, FARTHEST = 0.5, 4.0
"""Range of the depth sensor in metres."""
BASELINE = 0.075
"""Metres from the infrared projector to the infrared camera."""
COLOUR_OFFSET = 0.025
"""Metres from the infrared camera to the colour camera, to whose picture depth is registered."""
DISPARITY_STEPS = 8
"""Steps of measured disparity to a pixel (Khoshelham and Elberink, section 2.2)."""
LATERAL = 0.8
"""Standard deviation in pixels of where a distance lands (Nguyen et al., equation 1, at 10 deg)."""
GRAZING = np.float32(np.tan(np.radians(82)))
"""Slope against the line of sight beyond which the pattern's dots are lost, on the average."""
MIDDLE = 0.24
"""Mean level, linear, that automatic exposure steers towards."""
GRAIN = 0.012
"""Standard deviation of colour noise, a share of white."""
SPARE = 160
"""Rows and columns by which a field of noise is larger than a picture."""
FIELD = (HEIGHT + SPARE, WIDTH + SPARE)
BLIND_LEVEL = 0.0002
"""Light that leaks through a covered lens, linear."""


def axial_noise(z: Image) -> Image:
    """Standard deviation in metres of a distance z in metres (Nguyen et al., equation 2)."""
    deviation: Image = np.float32(0.0012) + np.float32(0.0019) * np.square(z - np.float32(0.4))
    return deviation


def quantised(z: Image) -> Image:
    """Distance the sensor reports: that of the nearest eighth of a pixel of disparity."""
    scale = np.float32(FOCAL * BASELINE * DISPARITY_STEPS)
    steps = np.rint(scale / z)
    measured: Image = scale / np.maximum(steps, np.float32(1))
    return measured


def shadowed(z: Image) -> NDArray[np.bool_]:
    """Tell which pixels the projector does not light, or the infrared camera does not see.

    Both stand beside the colour camera on one line with it, the projector to its right. Along a
    row, a pixel's column as they would see it rises unless something nearer stands in between.
    """
    columns = np.arange(WIDTH, dtype=np.float32)
    nearness = np.float32(FOCAL) / z
    lit = columns - np.float32(BASELINE - COLOUR_OFFSET) * nearness
    seen = columns + np.float32(COLOUR_OFFSET) * nearness
    beyond = np.minimum.accumulate(lit[:, ::-1], axis=1)[:, ::-1]
    before = np.maximum.accumulate(seen, axis=1)
    hidden: NDArray[np.bool_] = (beyond < lit - np.float32(0.5)) | (before > seen + np.float32(0.5))
    return hidden


def slope(z: Image) -> Image:
    """Steepness of the surface against the line of sight: tan of the angle of incidence, about."""
    across = cv2.Sobel(z, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    down = cv2.Sobel(z, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    steepness: Image = cv2.magnitude(across, down) * np.float32(FOCAL) / z
    return steepness


def automatic_gains(light: Image) -> tuple[float, float, float]:
    """Gain of each channel by automatic exposure and white balance, both falling a little short.

    Both go by the mean of the picture (the "grey world" rule), as cameras do by default.
    """
    mean = np.clip(light[::8, ::8], 0, 1).mean((0, 1), np.float64) + 1e-3
    exposure = (MIDDLE / mean.mean()) ** 0.75
    red, green, blue = np.clip(exposure * (mean.mean() / mean) ** 0.6, 0.3, 4)
    return float(red), float(green), float(blue)


class Kinect:
    """Both sensors, with their noise.

    Noise is drawn once, on fields larger than a picture; each picture lies somewhere else on them.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        grain = _white(rng)[..., None] * np.float32(GRAIN)
        tinge = np.stack([_smooth(rng), np.zeros(FIELD, np.float32), _smooth(rng)], -1)
        self._grain = np.rint(255 * (grain + np.float32(GRAIN) * tinge)).astype(np.int16)
        self._axial = _white(rng)
        self._across, self._down = (np.float32(LATERAL) * _smooth(rng) for _ in range(2))
        self._grazing = GRAZING * np.exp2(np.float32(0.5) * _smooth(rng))

    def sense(self, light: Image, z: Image, rng: np.random.Generator) -> tuple[Colour, Depth]:
        """Take both pictures of what is there.

        Args:
            light: (HEIGHT, WIDTH, 3) linear, 1 being white.
            z: (HEIGHT, WIDTH) metres along the camera's axis.
            rng: Where on the fields of noise the pictures lie.

        Returns:
            (HEIGHT, WIDTH, 3) RGB, and (HEIGHT, WIDTH) millimetres, 0 where there is no distance.

        """
        rows, columns = (int(number) for number in rng.integers(0, SPARE, 2))
        part = slice(rows, rows + HEIGHT), slice(columns, columns + WIDTH)
        return self._colour(light, part), self._depth(z, part)

    def blind_colour(self, rng: np.random.Generator) -> Colour:
        """Take a picture with the lens covered: black but for the sensor's noise."""
        dark = np.full((HEIGHT, WIDTH, 3), BLIND_LEVEL, np.float32)
        return self.sense(dark, np.ones((HEIGHT, WIDTH), np.float32), rng)[0]

    def _colour(self, light: Image, part: tuple[slice, slice]) -> Colour:
        """Soft optics, automatic gains, a square-root response curve, noise."""
        soft = cv2.GaussianBlur(light, (3, 3), 0.8)
        gains = automatic_gains(np.asarray(soft, np.float32))
        picture = cv2.convertScaleAbs(
            cv2.sqrt(cv2.multiply(soft, np.array([*gains, 0]))), alpha=255
        )
        return np.asarray(cv2.add(picture, self._grain[part], dtype=cv2.CV_8U), np.uint8)

    def _depth(self, z: Image, part: tuple[slice, slice]) -> Depth:
        """Lose edges and shadows, move the rest about, add noise, measure in steps."""
        lost = shadowed(z) | (slope(z) > self._grazing[part])
        ideal = np.where(lost, np.float32(0), z)
        columns = self._across[part] + np.arange(WIDTH, dtype=np.float32)
        rows = self._down[part] + np.arange(HEIGHT, dtype=np.float32)[:, None]
        moved = cv2.remap(ideal, columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        found = np.asarray(moved, np.float32)
        noisy = found + self._axial[part] * axial_noise(found)
        measured = quantised(np.maximum(noisy, np.float32(0.1)))
        usable = (found > 0) & (measured >= NEAREST) & (measured <= FARTHEST)
        return np.asarray(np.rint(measured * np.float32(1000) * usable), np.uint16)


def blind_depth() -> Depth:
    """Find no distance anywhere."""
    return np.zeros((HEIGHT, WIDTH), np.uint16)


def _white(rng: np.random.Generator) -> Image:
    """Noise of which each pixel has its own, of unit deviation."""
    return rng.standard_normal(FIELD, np.float32)


def _smooth(rng: np.random.Generator) -> Image:
    """Noise that neighbouring pixels share, as matching by windows and demosaicing make it."""
    coarse = rng.standard_normal((FIELD[0] // 2, FIELD[1] // 2), np.float32)
    return np.asarray(cv2.resize(coarse, FIELD[::-1]), np.float32)
