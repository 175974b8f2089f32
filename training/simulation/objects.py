# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The household objects: every category by name, and an instance of one ready to be looked at."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from .food import apple, banana, cereal_box, soda_can, water_bottle
from .shapes import vertex_normals
from .tableware import bowl, coffee_mug, pitcher, plate
from .things import ball, cap, flashlight

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .paint import Paint
    from .parts import Part

Builder = Callable[[np.random.Generator, int], 'list[Part]']

CATEGORIES: Mapping[str, Builder] = MappingProxyType(
    {
        'apple': apple,
        'ball': ball,
        'banana': banana,
        'bowl': bowl,
        'cap': cap,
        'cereal_box': cereal_box,
        'coffee_mug': coffee_mug,
        'flashlight': flashlight,
        'pitcher': pitcher,
        'plate': plate,
        'soda_can': soda_can,
        'water_bottle': water_bottle,
    }
)
"""How an instance of each category is made, from a generator and the instance's number."""


def key_of(name: str) -> int:
    """Turn a name into a number that is the same in every process, for seeding."""
    return zlib.crc32(name.encode())


@dataclass(frozen=True, eq=False)
class HouseholdObject:
    """One instance, standing on z = 0 about the z axis.

    Attributes:
        vertices: (V, 3) float32 metres.
        normals: (V, 3) float32 smooth normals.
        faces: (F, 3) int32.
        part_of_face: (F,) index into paints and glosses.
        paints: Each part's paint, in coordinates before ``shift`` and ``yaw``.
        glosses: (P,) each part's gloss.
        shift: What was added to the parts' coordinates to centre the object.

    """

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]
    part_of_face: NDArray[np.intp]
    paints: tuple[Paint, ...]
    glosses: NDArray[np.float32]
    shift: NDArray[np.float32]

    @property
    def height(self) -> float:
        """Its top above the table, in metres."""
        return float(self.vertices[:, 2].max())

    @property
    def extent(self) -> float:
        """Its largest side, in metres."""
        return float(np.ptp(self.vertices, axis=0).max())


def make_object(category: str, instance: int, seed: int) -> HouseholdObject:
    """Make an instance of a category; the same three arguments make the same object."""
    rng = np.random.default_rng([seed, key_of(category), instance])
    parts = CATEGORIES[category](rng, instance)
    vertices = np.concatenate([part.mesh.vertices for part in parts])
    offsets = np.cumsum([0] + [len(part.mesh.vertices) for part in parts])[:-1]
    faces = np.concatenate(
        [part.mesh.faces + offset for part, offset in zip(parts, offsets, strict=True)]
    ).astype(np.int32)
    low, high = vertices.min(0), vertices.max(0)
    shift = np.array([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
    return HouseholdObject(
        vertices=(vertices + shift).astype(np.float32),
        normals=vertex_normals(vertices, faces).astype(np.float32),
        faces=faces,
        part_of_face=np.repeat(np.arange(len(parts)), [len(part.mesh.faces) for part in parts]),
        paints=tuple(part.paint for part in parts),
        glosses=np.array([part.gloss for part in parts], np.float32),
        shift=shift.astype(np.float32),
    )
