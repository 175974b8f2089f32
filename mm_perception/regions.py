# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where in the frame the object is.

A region is given in fractions of the image, so that colour and depth of different resolutions, and
the robot's camera and the recording's, see the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mm_perception.errors import ImageError
from mm_perception.objects.tabletop import TabletopSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from mm_perception.objects.boxes import Box
    from mm_perception.observation import Frame

MINIMUM_SIDE = 16
"""Pixels: a region's sides are at least this, and an image smaller than this has no region."""


class RegionSettings(BaseModel):
    """Which part of each image is classified."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    kind: Literal['centre', 'fixed', 'full', 'tabletop'] = Field(
        'centre',
        description='centre: a square in the middle; fixed: the box; full: the whole image; '
        'tabletop: each object on a table, or in a recording the one nearest to the middle.',
    )
    fraction: float = Field(
        0.5,
        gt=0,
        le=1,
        description="centre: the square's side, as a fraction of the image's shorter side.",
    )
    box: tuple[float, float, float, float] | None = Field(
        None,
        description='fixed: [left, top, width, height], as fractions of the image.',
    )

    tabletop: TabletopSettings | None = Field(
        None, description='tabletop: what on a table is an object; unset: as is usual.'
    )

    @model_validator(mode='before')
    @classmethod
    def _with_all_settings(cls, given: Any) -> Any:
        """Fill in what is usual today, so that a bundle keeps it whatever is usual later."""
        if isinstance(given, dict) and given.get('kind') == 'tabletop':
            return {**given, 'tabletop': given.get('tabletop') or {}}
        return given

    @model_validator(mode='after')
    def _table_fits(self) -> Self:
        if self.tabletop is not None and self.kind != 'tabletop':
            raise ValueError(f"tabletop is for kind 'tabletop', not '{self.kind}': leave it out")
        return self

    @model_validator(mode='after')
    def _box_fits(self) -> Self:
        if self.kind != 'fixed':
            if self.box is not None:
                raise ValueError(f"box is for kind 'fixed', not '{self.kind}': leave it out")
            return self
        if self.box is None:
            raise ValueError("kind 'fixed' needs a box: [left, top, width, height] as fractions")
        x, y, width, height = self.box
        # A third and two thirds do not add up to 1 exactly, and are meant to.
        limit = 1 + 1e-6
        inside = x >= 0 and y >= 0 and x + width <= limit and y + height <= limit
        if not (inside and width > 0 and height > 0):
            raise ValueError(
                f'box {list(self.box)} is not inside the image: '
                'left, top, width and height are fractions, left + width and top + height at most 1'
            )
        return self


class Region(NamedTuple):
    """A rectangle in pixels, its left top corner first."""

    x: int
    y: int
    width: int
    height: int


def find_region(settings: RegionSettings, frame: Frame, box: Box | None = None) -> Region:
    """Find the region to classify.

    Args:
        settings: Which part of the image.
        frame: The frame to be cropped; only its size matters.
        box: Where an object was found; None: as the settings say.

    Returns:
        A region inside the image, at least `MINIMUM_SIDE` on each side: a smaller one is enlarged
        about its centre as far as the image's border lets it.

    Raises:
        ImageError: The image itself is smaller than that.

    """
    height, width = frame.image.shape[:2]
    if min(height, width) < MINIMUM_SIDE:
        raise ImageError(
            f'{frame.modality} image of frame {frame.frame_id!r:.60}: {width}x{height} pixels are '
            f'too few, at least {MINIMUM_SIDE}x{MINIMUM_SIDE} are needed'
        )
    given = settings.box if box is None else box
    if given is not None:
        x, y, box_width, box_height = given
        left, right = round(x * width), round((x + box_width) * width)
        top, bottom = round(y * height), round((y + box_height) * height)
    else:
        side = settings.fraction * min(width, height)
        across = round(side) if settings.kind == 'centre' else width
        down = round(side) if settings.kind == 'centre' else height
        left, top = (width - across) // 2, (height - down) // 2
        right, bottom = left + across, top + down
    left, right = _at_least_minimum(left, right, width)
    top, bottom = _at_least_minimum(top, bottom, height)
    return Region(left, top, right - left, bottom - top)


def crop(image: NDArray[Any], region: Region) -> NDArray[Any]:
    """Cut a region out of an image.

    Args:
        image: H×W or H×W×C.
        region: Found for an image of this size.

    Returns:
        A view, not a copy.

    Raises:
        ImageError: The region is not inside the image.

    """
    height, width = image.shape[:2]
    x, y, across, down = region
    if min(x, y) < 0 or min(across, down) < 1 or x + across > width or y + down > height:
        raise ImageError(
            f'{region} is not inside an image of {width}x{height}; find it for this image'
        )
    return image[y : y + down, x : x + across]


def _at_least_minimum(start: int, stop: int, size: int) -> tuple[int, int]:
    """Stay within 0 and size, and enlarge about the centre what is too small."""
    start, stop = max(start, 0), min(stop, size)
    missing = MINIMUM_SIDE - (stop - start)
    if missing > 0:
        start = min(max(start - missing // 2, 0), size - MINIMUM_SIDE)
        stop = start + MINIMUM_SIDE
    return start, stop
