# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A crop → the network's input, as in the paper.

Suzuki & Matsuo 2018, section 4.1.2, after Eitel et al., *Multimodal Deep Learning for Robust RGB-D
Object Recognition*, IROS 2015: the longer side is scaled to 148, the shorter side padded by
repeating its border pixels; depth's holes are filled with the nearest valid distance, its distances
scaled to 0–255, and jet makes three channels of them, red being near (figure 3).

Here holes are filled before anything is scaled, not after: scaling would blend a hole's border with
the hole.

In place of jet, depth can be given as surface normals or as HHA; see ``depth/``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, cast

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mm_perception.depth.hha import hha
from mm_perception.depth.normals import surface_normals
from mm_perception.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

_LEVELS = np.arange(256, dtype=np.uint8).reshape(-1, 1)
JET = np.ascontiguousarray(cv2.applyColorMap(_LEVELS, cv2.COLORMAP_JET)[:, :, ::-1])
"""OpenCV's jet, red first: 0 is dark blue, 255 dark red."""

_FACING = np.array([0, 0, -1], np.float32)  # a surface that looks into the camera
_OUTWARD = np.array([1, 1, -1], np.float32)  # as pictures of normals have it: blue is towards us

_LEVEL = 127.5  # a surface that looks into a level camera, in HHA

FLAT = 1e-6  # metres: no sensor tells distances apart that are nearer to each other
_FARTHEST = 1000.0  # metres: no sensor sees farther
_LEAST_KNOWN = 0.1  # of a depth crop; real crops of objects have 0.6 and more
_NO_LENGTH = 1e-6  # of a direction


class PreprocessingSettings(BaseModel):
    """How a crop becomes the network's input."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    size: int = Field(
        148,
        ge=32,
        le=1024,
        description='Pixels: the side of the square that the network sees. VGG16 needs 32.',
    )
    depth_range: tuple[float, float] | None = Field(
        None,
        description='Metres that are coloured red and blue: [near, far], so that a colour always '
        "means the same distance. Unset, as in the paper: each crop's own nearest and farthest, "
        'which shows its shape whatever its distance.',
    )

    depth_encoding: Literal['jet', 'normals', 'hha'] = Field(
        'jet',
        description="How depth becomes three channels: jet, the paper's, colours distances; "
        'normals gives the direction of the surface, which no distance changes; hha the horizontal '
        "disparity, the height, and the surface's angle with gravity.",
    )
    focal_length: float = Field(
        570.3,
        gt=0,
        le=100_000,
        description="normals, hha: the depth camera's, in pixels of its images (fx of its "
        "camera_info). The default is the first Kinect's; a camera that is not known better is "
        'taken for one.',
    )

    gravity: tuple[float, float, float] | None = Field(
        None,
        description='hha: where down is as the camera sees it, [right, down, forward] of any '
        'length: [0, 1, 0] for a level camera. Unset: each crop tells, as far as it can.',
    )

    @field_validator('depth_range')
    @classmethod
    def _near_then_far(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 <= value[0] < value[1] <= _FARTHEST:
            raise ValueError(
                f'{list(value)} is not [near, far] in metres, 0 <= near < far <= {_FARTHEST:g}'
            )
        return value

    @model_validator(mode='after')
    def _hha_fits(self) -> Self:
        if self.gravity is not None and self.depth_encoding != 'hha':
            raise ValueError(
                f"gravity is for depth_encoding 'hha', not '{self.depth_encoding}': leave it out"
            )
        if self.gravity is not None and not math.hypot(*self.gravity) > _NO_LENGTH:
            raise ValueError(f'gravity {list(self.gravity)} points nowhere: give a direction')
        if self.depth_encoding == 'hha' and self.depth_range and not self.depth_range[0]:
            raise ValueError('depth_range [0, …] has no disparity for hha: begin above 0 metres')
        return self


def rgb_input(crop: NDArray[np.uint8], settings: PreprocessingSettings) -> NDArray[np.uint8]:
    """Turn a colour crop into the network's input.

    Args:
        crop: H×W×3, red first.
        settings: The size.

    Returns:
        size×size×3, red first.

    """
    # A bgr8 message arrives as a reversed view, which OpenCV would copy pixel by pixel:
    # scaling it the way it lies in memory, and exchanging red and blue afterwards, is the same.
    if crop.strides[2] < 0:
        square = fit_square(crop[:, :, ::-1], settings.size)
        return cast('NDArray[np.uint8]', cv2.cvtColor(square, cv2.COLOR_BGR2RGB))
    return fit_square(crop, settings.size)


def depth_input(crop: NDArray[np.float32], settings: PreprocessingSettings) -> NDArray[np.uint8]:
    """Turn a depth crop into the network's input.

    Args:
        crop: H×W in metres, NaN where unknown.
        settings: The size, and the range of distances.

    Returns:
        size×size×3, red first. Jet: red is near. Normals: red the more the surface looks to the
        right, green down, blue towards the camera; grey (127.5) is neither. HHA: red the nearer,
        green the higher, blue the more the surface looks up.

    Raises:
        ImageError: No pixel of the crop has a distance.

    """
    if settings.depth_encoding == 'normals':
        return _normals_input(crop, settings)
    if settings.depth_encoding == 'hha':
        return _hha_input(crop, settings)
    levels = depth_levels(fill_holes(crop), settings.depth_range)
    return jet(np.rint(fit_square(levels, settings.size)).astype(np.uint8))


def fill_holes(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give each pixel without a distance the distance of its nearest pixel that has one.

    Nearest is by OpenCV's 5×5 chamfer distance, within 2 % of the Euclidean one (Borgefors 1986).

    Args:
        depth: H×W in metres; NaN, infinite, 0 and negative are holes.

    Returns:
        H×W without holes; the argument itself where it has none.

    Raises:
        ImageError: Every pixel is a hole.

    """
    valid = valid_distances(depth)
    return depth if valid.all() else _fill(depth, valid)


def refuse_unknown(depth: NDArray[np.float32]) -> None:
    """Refuse a crop of which next to nothing is known: what its holes would get is no shape.

    Args:
        depth: H×W in metres; NaN, infinite, 0 and negative are holes.

    Raises:
        ImageError: Fewer than a tenth of its pixels have a distance.

    """
    with np.errstate(invalid='ignore'):
        known = np.count_nonzero((depth > 0) & (depth < np.inf)) / max(depth.size, 1)
    if known < _LEAST_KNOWN:
        height, width = depth.shape
        raise ImageError(
            f'depth crop of {width}x{height} pixels has a distance in {known:.1%} of them: '
            'the object is too near or too far for the sensor, or its view is blocked'
        )


def valid_distances(depth: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tell pixels with a distance from holes.

    Args:
        depth: H×W in metres; NaN, infinite, 0 and negative are holes.

    Returns:
        H×W.

    Raises:
        ImageError: Every pixel is a hole.

    """
    with np.errstate(invalid='ignore'):
        valid: NDArray[np.bool_] = (depth > 0) & (depth < np.inf)
    if not valid.any():
        height, width = depth.shape
        raise ImageError(
            f'depth crop of {width}x{height} pixels has not one valid distance: '
            'the object is too near or too far for the sensor, or its view is blocked'
        )
    return valid


def _fill(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give each pixel that is not valid, [H, W], what its nearest valid one has, [H, W, …]."""
    holes = np.logical_not(valid)
    _, labels = cv2.distanceTransformWithLabels(
        holes.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # OpenCV numbers the valid pixels row by row from 1, and each hole as its nearest one.
    filled: NDArray[np.float32] = image.copy()
    filled[holes] = image[valid][np.asarray(labels)[holes] - 1]
    return filled


def depth_levels(
    depth: NDArray[np.float32], depth_range: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Scale distances to 0–255, 255 being near.

    Args:
        depth: H×W in metres, without holes.
        depth_range: Near and far in metres; None is the nearest and farthest that are there.

    Returns:
        H×W, not yet rounded; 255 throughout where everything is equally near.

    """
    near, far = depth_range or (float(depth.min()), float(depth.max()))
    if far - near < FLAT:
        return np.full(depth.shape, 255, np.float32)
    levels: NDArray[np.float32] = (np.float32(far) - depth) * np.float32(255 / (far - near))
    np.clip(levels, 0, 255, out=levels)
    return levels


def fit_square(image: NDArray[Any], size: int) -> NDArray[Any]:
    """Scale the longer side to size, and pad the shorter one by repeating its border pixels.

    Args:
        image: H×W or H×W×C, uint8 or float32.
        size: Side of the square in pixels.

    Returns:
        size×size or size×size×C, the image in its middle.

    """
    height, width = image.shape[:2]
    down, across = fitted(height, width, size)
    # Averaging what falls into a pixel when shrinking; it would make blocks when enlarging.
    interpolation = cv2.INTER_AREA if max(height, width) > size else cv2.INTER_LINEAR
    scaled = cv2.resize(image, (across, down), interpolation=interpolation)
    left, top = (size - across) // 2, (size - down) // 2
    right, bottom = size - across - left, size - down - top
    return cv2.copyMakeBorder(scaled, top, bottom, left, right, cv2.BORDER_REPLICATE)


def fitted(height: int, width: int, size: int) -> tuple[int, int]:
    """Scale height and width, in pixels, so that the longer one is size."""
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def jet(levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colour 0–255 from blue to red.

    Args:
        levels: H×W.

    Returns:
        H×W×3, red first.

    """
    return cast('NDArray[np.uint8]', cv2.applyColorMap(levels, JET))


def _normals_input(crop: NDArray[np.float32], settings: PreprocessingSettings) -> NDArray[np.uint8]:
    normals, known = surface_normals(*_thinned(crop, settings))
    if not known.all():
        normals = _fill(normals, known) if known.any() else np.broadcast_to(_FACING, normals.shape)
    square = fit_square(np.ascontiguousarray(normals), settings.size)
    colours = np.rint(127.5 * (1 + square * _OUTWARD))
    return cast('NDArray[np.uint8]', colours.astype(np.uint8))


def _hha_input(crop: NDArray[np.float32], settings: PreprocessingSettings) -> NDArray[np.uint8]:
    depth, valid, focal_length = _thinned(crop, settings)
    disparity, height, angle, known = hha(depth, valid, focal_length, settings.gravity)
    seen = disparity[valid]
    near, far = settings.depth_range or (1 / float(seen.max()), 1 / float(seen.min()))
    channels = np.stack(
        [
            _scaled(disparity, 1 / far, 1 / near),
            _scaled(height, 0, float(height.max())),
            _scaled(angle, 0, np.pi),
        ],
        axis=-1,
    )
    if not valid.all():
        channels[..., :2] = _fill(channels[..., :2], valid)
    if not known.all():
        channels[..., 2] = _fill(channels[..., 2], known) if known.any() else _LEVEL
    square = fit_square(channels, settings.size)
    return cast('NDArray[np.uint8]', np.rint(square).astype(np.uint8))


def _thinned(
    crop: NDArray[np.float32], settings: PreprocessingSettings
) -> tuple[NDArray[np.float32], NDArray[np.bool_], float]:
    """Give distances, which of them are some, and the focal length, at the network's size.

    Thinned, not blended: a hole stays one, and the surface's edge is no slope.
    """
    valid, scale = valid_distances(crop), settings.size / max(crop.shape)
    if scale >= 1:
        return crop, valid, settings.focal_length
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    thinned = cv2.resize(crop, size, interpolation=cv2.INTER_NEAREST)
    left = cv2.resize(valid.view(np.uint8), size, interpolation=cv2.INTER_NEAREST).view(bool)
    if not left.any():  # few distances, between those that are taken
        return _thinned(_fill(crop, valid), settings)
    return cast('NDArray[np.float32]', thinned), left, settings.focal_length * scale


def _scaled(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Scale values to 0–255; 255 throughout where there is no difference."""
    if high - low < FLAT:
        return np.full(values.shape, 255, np.float32)
    levels: NDArray[np.float32] = (values - np.float32(low)) * np.float32(255 / (high - low))
    return np.clip(levels, 0, 255, out=levels)
