# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where on a table objects stand, from registered depth.

The usual way (Rusu et al., Close-range scene segmentation and reconstruction of 3D point cloud maps
for mobile manipulation, IROS 2009): the table is the plane that most points lie in, an object is a
cluster of points over it. Clusters are told apart as seen from above, where one object does not
hide another, and one that is half hidden behind another is not cut in two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mm_perception.depth.registration import Intrinsics
from mm_perception.objects.boxes import Box
from mm_perception.objects.overhead import Numbers, group, largest_piece
from mm_perception.objects.plane import Flags, Floats, Plane, find_planes
from mm_perception.objects.pointcloud import Grid, Lens
from mm_perception.objects.tracks import TrackSettings

if TYPE_CHECKING:
    from typing_extensions import Self

_COARSE = np.s_[::4, ::4]  # of the grid, on which the table is sought
_PARALLEL = math.cos(math.radians(8))
_PART = 0.3  # of the largest level plane: a smaller one above it is the top of an object
_ROLL = 40.0  # degrees that the camera may be tilted to a side
_FEWEST = 20  # points of the grid that an object has
_MOST = 50  # clusters that are looked at, the largest
_SLIVER = 0.4  # at the border: less wide than this share of its height, most of it is not seen
_FOOT = 0.03  # metres above the least height: what begins lower stands on the table
_THIN = 0.01  # metres: the lowest part of what begins higher


class TabletopSettings(BaseModel):
    """What on a table is an object; all lengths are in metres."""

    model_config = ConfigDict(frozen=True, extra='forbid', allow_inf_nan=False)

    field_of_view: float = Field(
        58.0,
        ge=10,
        le=150,
        description="Degrees across the depth image, where no camera_info tells; a Kinect's.",
    )
    near: float = Field(0.3, ge=0, le=5, description='What is nearer is no part of the scene.')
    far: float = Field(2.0, gt=0, le=5, description='What is farther is no part of the scene.')
    tolerance: float = Field(
        0.008,
        gt=0,
        le=0.1,
        description='How far the table may lie off its plane at 1 m; it grows with the square of '
        "the distance, as a Kinect's noise does.",
    )
    min_share: float = Field(
        0.08,
        gt=0,
        le=1,
        description='The least share of what is seen that is the table. Of level planes that are '
        'not much smaller than the largest, the highest is the table.',
    )
    max_pitch: float = Field(
        80.0,
        ge=0,
        le=90,
        description='Degrees that the camera looks down at most. A wall ahead looks like a table '
        'seen from straight above: 90 only where the camera looks straight down.',
    )
    min_height: float = Field(
        0.015, gt=0, le=0.5, description='What rises less above the table is a part of it.'
    )
    max_height: float = Field(
        0.5, gt=0, le=2, description='What is higher above the table is no part of an object.'
    )
    gap: float = Field(
        0.015, ge=0.005, le=0.5, description='What stands nearer than this is one object.'
    )
    min_size: float = Field(0.03, gt=0, le=1, description="An object's longest side, at least.")
    max_size: float = Field(0.5, gt=0, le=2, description="An object's longest side, at most.")
    margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Added to the object's box at each side, as a fraction of its size.",
    )
    max_objects: int = Field(
        10,
        ge=1,
        le=100,
        description='Of more objects, those nearest to the middle of the picture are labelled.',
    )
    tracks: TrackSettings = Field(
        default_factory=TrackSettings, description='How objects are followed from frame to frame.'
    )

    @model_validator(mode='after')
    def _in_order(self) -> Self:
        for less, more in (
            ('near', 'far'),
            ('min_height', 'max_height'),
            ('min_size', 'max_size'),
        ):
            if not getattr(self, less) < getattr(self, more):
                raise ValueError(
                    f'{less} {getattr(self, less):g} has to be less than '
                    f'{more} {getattr(self, more):g}'
                )
        return self


class _Scene(NamedTuple):
    """The grid, and what of it is the table.

    Attributes:
        grid: All points.
        table: Its plane.
        heights: [H, W] metres over the table.
        flat: [H, W], where the table is seen.
        over: [H, W], where something above it is seen.
        limits: The first and last row and column in which the sensor sees anything at all.

    """

    grid: Grid
    table: Plane
    heights: Floats
    flat: Flags
    over: Flags
    limits: tuple[int, int, int, int]


class _Above(NamedTuple):
    """N points over the table.

    Attributes:
        points: [N, 3] metres.
        heights: [N] metres over the table.
        ground: [2, N] metres, seen from above.
        rows: [N], of the grid.
        columns: [N], of the grid.

    """

    points: Floats
    heights: Floats
    ground: Floats
    rows: Numbers
    columns: Numbers

    def only(self, which: Flags) -> _Above:
        return _Above(
            self.points[which],
            self.heights[which],
            self.ground[:, which],
            self.rows[which],
            self.columns[which],
        )


def find_objects(
    depth: NDArray[np.float32],
    settings: TabletopSettings,
    camera: Intrinsics | None = None,
) -> list[Box]:
    """Find the objects on the table.

    Args:
        depth: H×W in metres, NaN where unknown.
        settings: What is an object.
        camera: Of the depth image, or of any image registered with it; None or one that does not
            know itself: as the settings say.

    Returns:
        Where they are, without a margin, the largest first; none where there is no table.

    """
    height, width = depth.shape
    lens = Lens.of(camera, settings.field_of_view, width / height)
    grid = Grid.of(depth, lens, settings.near, settings.far)
    table = _table(grid, settings)
    if table is None:
        return []
    scene = _scene(grid, table, settings)
    return [
        _box(cluster, scene, settings)
        for cluster in _clusters(_above(scene), settings.gap)
        if _is_object(cluster, scene, settings)
    ]


def _table(grid: Grid, settings: TabletopSettings) -> Plane | None:
    """Choose the highest of the level planes: below a table there is a floor, perhaps a shelf."""
    planes = find_planes(
        grid.cloud[_COARSE],
        grid.valid[_COARSE],
        settings.tolerance,
        lambda normals: _may_be_a_table(normals, settings.max_pitch),
        settings.min_share,
    )
    level = [
        p
        for p in planes
        if p.normal @ planes[0].normal > _PARALLEL and p.support > _PART * planes[0].support
    ]
    return min(level, key=lambda plane: plane.offset, default=None)


def _may_be_a_table(normals: Floats, max_pitch: float) -> Flags:
    """Whether it faces up, where the camera's y is down."""
    upright = normals[:, 1] <= -math.cos(math.radians(max_pitch)) + 1e-6
    level = np.abs(normals[:, 0]) <= math.sin(math.radians(_ROLL))
    return upright & level


def _scene(grid: Grid, table: Plane, settings: TabletopSettings) -> _Scene:
    heights = table.height(grid.cloud)
    slack = np.float32(settings.tolerance) * grid.cloud[..., 2] ** 2
    flat = grid.valid & (np.abs(heights) < slack)
    over = grid.valid & (heights > np.maximum(settings.min_height, slack))
    over &= heights < settings.max_height
    rows, columns = np.flatnonzero(grid.valid.any(1)), np.flatnonzero(grid.valid.any(0))
    limits = int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])
    return _Scene(grid, table, heights, flat, over, limits)


def _above(scene: _Scene) -> _Above:
    """Take the points over the table's own area, not over what its plane would be beyond it."""
    axes = _axes(scene.table)
    rows, columns = np.nonzero(scene.over)
    points = scene.grid.cloud[scene.over]
    above = _Above(points, scene.heights[scene.over], axes @ points.T, rows, columns)
    if not (len(points) and scene.flat[_COARSE].any()):
        return above.only(np.zeros(len(points), bool))
    area = largest_piece(axes @ scene.grid.cloud[_COARSE][scene.flat[_COARSE]].T)
    return above.only(area.holds(above.ground))


def _axes(table: Plane) -> Floats:
    """Two directions within the table, [2, 3]; the first is across the image."""
    down = np.cross(table.normal, (1.0, 0.0, 0.0))
    down /= np.linalg.norm(down)
    return np.stack([np.cross(down, table.normal), down]).astype(np.float32)


def _clusters(above: _Above, gap: float) -> list[_Above]:
    """Divide points into those that lie together, seen from above; the largest first."""
    if not len(above.points):
        return []
    groups = group(above.ground, gap)
    counts = np.bincount(groups)
    largest = np.argsort(-counts, kind='stable')[:_MOST]
    return [above.only(groups == number) for number in largest if counts[number] >= _FEWEST]


def _is_object(cluster: _Above, scene: _Scene, settings: TabletopSettings) -> bool:
    """Whether it has an object's size, stands on the table and is in the picture for the most."""
    size = max(*np.ptp(cluster.ground, axis=1), cluster.heights.max())
    if not settings.min_size <= size <= settings.max_size or _hovers(cluster, scene, settings):
        return False
    top, bottom, left, right = scene.limits
    down, across = np.ptp(cluster.rows) + 1, np.ptp(cluster.columns) + 1
    beside = cluster.columns.min() <= left + 1 or cluster.columns.max() >= right - 1
    over = cluster.rows.min() <= top + 1 or cluster.rows.max() >= bottom - 1
    return not ((beside and across < _SLIVER * down) or (over and down < _SLIVER * across))


def _hovers(cluster: _Above, scene: _Scene, settings: TabletopSettings) -> bool:
    """Whether the table is seen below its lowest points, as under a hand.

    What is seen from straight above, or behind something else, may well stand there.
    """
    lowest = cluster.heights.min()
    if lowest < settings.min_height + _FOOT:
        return False
    spots = _foot(cluster.only(cluster.heights < lowest + _THIN), scene)
    rows, columns = np.floor(spots[:, ::-1] / scene.grid.pitch).astype(np.intp).T
    inside = (rows >= 0) & (rows < scene.flat.shape[0])
    inside &= (columns >= 0) & (columns < scene.flat.shape[1])
    bare = scene.flat[rows[inside], columns[inside]]
    return bool(2 * bare.sum() > len(spots))


def _foot(cluster: _Above, scene: _Scene) -> Floats:
    """Give where in the image the points would be on the table, [N, 2]: across, down."""
    below = cluster.points - cluster.heights[:, None] * scene.table.normal
    return scene.grid.lens.spots(below)


def _box(cluster: _Above, scene: _Scene, settings: TabletopSettings) -> Box:
    """Bound the cluster and its foot, which is too low over the table to be a part of it."""
    down, across = scene.grid.pitch
    left, right = cluster.columns.min() * across, (cluster.columns.max() + 1) * across
    top, bottom = cluster.rows.min() * down, (cluster.rows.max() + 1) * down
    spots = _foot(cluster.only(cluster.heights < 2 * settings.min_height), scene)
    if len(spots):
        (first, highest), (last, lowest) = spots.min(0), spots.max(0)
        left, right = min(left, first), max(right, last)
        top, bottom = min(top, highest), max(bottom, lowest)
    return Box(float(left), float(top), float(right - left), float(bottom - top)).inside()
