# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Cast a recording's rays: what an ideal camera would see, in linear light, and how far off.

Embree casts the rays at the object and its shadow; the planes of the room are homographies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from .camera import HEIGHT, WIDTH
from .scene import FLOOR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .camera import View
    from .objects import HouseholdObject
    from .scene import Light, Room

    Image = NDArray[np.float32]

SHADOW = 96
"""Side of the grid of shadow rays on the table, in rays."""
SIDES = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0))
"""Outward normals of the four walls."""
CREASE = 0.75
"""Cosine between a face's and its corners' normals below which an edge is sharp."""


@dataclass(frozen=True, eq=False)
class Hits:
    """Where rays met the object.

    Attributes:
        pixels: (N,) flat indices into the picture.
        z: (N,) metres along the camera's axis.
        points: (N, 3) in the world.
        normals: (N, 3) unit, towards the camera.
        albedo: (N, 3) linear.
        gloss: (N,).
        directions: (N, 3) of the rays, of unit depth.

    """

    pixels: NDArray[np.intp]
    z: NDArray[np.float32]
    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    albedo: NDArray[np.float32]
    gloss: NDArray[np.float32]
    directions: NDArray[np.float32]


class Stage:
    """One object in one room under one light."""

    def __init__(self, thing: HouseholdObject, room: Room, light: Light) -> None:
        self._thing, self._room, self._light = thing, room, light
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, thing.vertices, thing.faces)
        low, high = thing.vertices.min(0), thing.vertices.max(0)
        self._corners = np.stack(np.meshgrid(*zip(low, high, strict=True)), -1).reshape(-1, 3)
        self._patch = room.table_patch(1.2 * thing.extent)
        self._grid = _grid_on(room, self._patch)
        covered = self._blocked(np.array([0, 0, 1.0]))
        spread = 0.02 * SHADOW / float(np.ptp(self._grid[:, 0]))
        self._closeness = cv2.GaussianBlur(covered, (0, 0), spread)[..., None]

    def picture(self, view: View, seconds: float) -> tuple[Image, Image]:
        """Linear light (HEIGHT, WIDTH, 3) and depth in metres (HEIGHT, WIDTH) at one moment."""
        colour, nearness = self._surroundings(view, seconds)
        depth = 1 / np.maximum(nearness, np.float32(1e-3))
        hits = self._cast(view)
        colour.reshape(-1, 3)[hits.pixels] = self._shade(hits, seconds)
        depth.reshape(-1)[hits.pixels] = hits.z
        return colour, depth

    def _blocked(self, direction: NDArray[np.float64]) -> Image:
        """1 where the object stands between the table and that direction. (SHADOW, SHADOW)."""
        rays = np.broadcast_to(direction.astype(np.float32), self._grid.shape).copy()
        blocked = self._scene.run(self._grid, rays) >= 0
        return np.asarray(blocked.reshape(SHADOW, SHADOW), np.float32)

    def _surroundings(self, view: View, seconds: float) -> tuple[Image, Image]:
        """Light and inverse depth of the table, and above its edge those of the room."""
        colour = np.asarray(
            cv2.warpPerspective(
                self._lit_table(seconds),
                view.homography(*self._room.table_frame),
                (WIDTH, HEIGHT),
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=(-9, -9, -9),
            ),
            np.float32,
        )
        nearness = view.inverse_depth((0, 0, 1), 0)
        beside = (colour[..., 0] < 0) | (nearness <= 0)
        rows = np.flatnonzero(beside.any(1))
        if len(rows):
            bottom = int(rows[-1]) + 1
            mask = beside[:bottom].astype(np.uint8)
            behind, far = self._behind(view, seconds, bottom)
            cv2.copyTo(behind, mask, colour[:bottom])
            cv2.copyTo(far, mask, nearness[:bottom])
        return colour, nearness

    def _behind(self, view: View, seconds: float, bottom: int) -> tuple[Image, Image]:
        """Light and inverse depth of the floor and the walls in the picture's upper rows."""
        room = self._room
        direct, ambient = self._light.colours(seconds)
        light = ambient + np.float32(0.35) * direct
        nearness = view.inverse_depth((0, 0, 1), FLOOR, bottom)
        colour = np.asarray(
            cv2.warpPerspective(
                _tinted(room.floor, light),
                view.homography(*room.floor_frame),
                (WIDTH, bottom),
                borderMode=cv2.BORDER_REFLECT,
            ),
            np.float32,
        )
        for index, (normal, distance) in enumerate(zip(SIDES, room.walls, strict=True)):
            wall = view.inverse_depth(normal, distance, bottom)
            seen = wall > nearness
            if seen.any():
                nearness = np.maximum(nearness, wall)
                colour[seen] = room.wall * light * np.float32(0.8 + 0.1 * (index % 3))
        return colour, nearness

    def _lit_table(self, seconds: float) -> Image:
        """Light the table's top, with the object's soft shadow. (TEXTURE, TEXTURE, 3)."""
        direct, ambient = self._light.colours(seconds)
        towards = self._light.direction(seconds)
        direct = direct * np.float32(towards[2])
        shadow = cv2.GaussianBlur(self._blocked(towards), (0, 0), 1.5)[..., None]
        light = (1 - shadow) * direct + (1 - np.float32(0.6) * self._closeness) * ambient
        lit = _tinted(self._room.table, direct + ambient)
        rows, columns = self._patch
        size = (columns.stop - columns.start, rows.stop - rows.start)
        lit[rows, columns] = self._room.table[rows, columns] * cv2.resize(light, size)
        return lit

    def _cast(self, view: View) -> Hits:
        """Cast a ray through each pixel of the object's bounding rectangle."""
        thing = self._thing
        pixels = view.pixels_of(self._corners)
        left, top = np.clip(np.floor(pixels.min(0)).astype(int), 0, (WIDTH, HEIGHT))
        right, bottom = np.clip(np.ceil(pixels.max(0)).astype(int) + 1, 0, (WIDTH, HEIGHT))
        rays = view.rays(left, top, right, bottom)
        origins = np.broadcast_to(view.position.astype(np.float32), rays.shape).copy()
        found = self._scene.run(origins, rays, output=1)
        hit = np.flatnonzero(found['primID'] >= 0)
        face = found['primID'][hit]
        u, v, z = (found[name][hit][:, None] for name in ('u', 'v', 'tfar'))
        corner = thing.faces[face]
        smooth = (
            (1 - u - v) * thing.normals[corner[:, 0]]
            + u * thing.normals[corner[:, 1]]
            + v * thing.normals[corner[:, 2]]
        )
        points = view.position.astype(np.float32) + rays[hit] * z
        row, column = np.divmod(hit, right - left)
        part = thing.part_of_face[face]
        return Hits(
            pixels=(row + top) * WIDTH + column + left,
            z=z[:, 0],
            points=points,
            normals=_facing(smooth, found['Ng'][hit], rays[hit]),
            albedo=self._painted(points, part),
            gloss=thing.glosses[part],
            directions=rays[hit],
        )

    def _painted(self, points: Image, part: NDArray[np.intp]) -> Image:
        albedo = np.empty_like(points)
        own = points - self._thing.shift
        for index, paint in enumerate(self._thing.paints):
            chosen = part == index
            albedo[chosen] = paint(own[chosen])
        return albedo

    def _shade(self, hits: Hits, seconds: float) -> Image:
        """Lambert's law, a Blinn highlight, less sky near the table, and its own shadow."""
        towards = self._light.direction(seconds).astype(np.float32)
        direct, ambient = self._light.colours(seconds)
        rays = np.broadcast_to(towards, hits.points.shape).copy()
        lit = self._scene.run(hits.points + np.float32(2e-3) * hits.normals, rays) < 0
        facing = np.clip(hits.normals @ towards, 0, 1) * lit
        back = -hits.directions / np.linalg.norm(hits.directions, axis=1, keepdims=True)
        middle = back + towards
        middle /= np.linalg.norm(middle, axis=1, keepdims=True)
        shine = hits.gloss * np.clip((hits.normals * middle).sum(1), 0, 1) ** 40 * lit
        sky = (0.65 + 0.35 * hits.normals[:, 2]) * (
            0.6 + 0.4 * np.clip(hits.points[:, 2] / 0.03, 0, 1)
        )
        light = facing[:, None] * direct + sky[:, None] * ambient
        shaded: Image = (hits.albedo * light + shine[:, None] * direct).astype(np.float32)
        return shaded


def _tinted(albedo: Image, light: Image) -> Image:
    """A texture under a light of one colour."""
    return np.asarray(cv2.multiply(albedo, np.array([*light, 0], float)), np.float32)


def _grid_on(room: Room, patch: tuple[slice, slice]) -> Image:
    """Points just above a patch of the table, row by row. (SHADOW * SHADOW, 3)."""
    shares = (np.arange(SHADOW) + 0.5) / SHADOW
    origin, along, across = (np.asarray(vector) for vector in room.table_frame)
    rows, columns = (part.start + shares * (part.stop - part.start) for part in patch)
    s, t = np.meshgrid(columns, rows)
    points = origin + s[..., None] * along + t[..., None] * across + (0, 0, 1e-4)
    return np.asarray(points.reshape(-1, 3), np.float32)


def _facing(smooth: Image, flat: Image, rays: Image) -> Image:
    """Unit normals towards the camera: smooth over a curved surface, flat beside a sharp edge."""
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    flat *= -np.sign((flat * rays).sum(1, keepdims=True))
    smooth = smooth / np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-9)
    agreement = (smooth * flat).sum(1, keepdims=True)
    smooth = smooth * np.sign(agreement)
    return np.asarray(np.where(np.abs(agreement) < CREASE, flat, smooth))
