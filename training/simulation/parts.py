# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A part of a household object: a surface, its paint and its gloss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trimesh

    from .paint import Paint


@dataclass(frozen=True, eq=False)
class Part:
    """One surface with one paint.

    Attributes:
        mesh: The surface, in metres, z up; an object stands about the origin.
        paint: Its albedo.
        gloss: Strength of its highlight, 0 for matt.

    """

    mesh: trimesh.Trimesh
    paint: Paint
    gloss: float = 0.1
