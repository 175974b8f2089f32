# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The objects of a scene, frame by frame: found in depth, and followed.

One finder is for one camera, or for one recording, from its first frame on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from mm_perception.errors import ImageError, SettingsError
from mm_perception.objects.boxes import Box
from mm_perception.objects.tabletop import TabletopSettings, find_objects
from mm_perception.objects.tracks import Tracks
from mm_perception.observation import Modality, Observation, Prediction
from mm_perception.regions import RegionSettings


@dataclass(frozen=True)
class SceneObject:
    """An object that is somewhere in the picture.

    Attributes:
        id: The same from frame to frame, and never another object's.
        box: What it fills of the picture.
        view: The box with its margin: what is classified.
        carried: Whether depth does not show it any more, and colour alone has carried its box on.

    """

    id: int
    box: Box
    view: Box
    carried: bool


@dataclass(frozen=True)
class LabelledObject:
    """An object with what was said of it."""

    seen: SceneObject
    prediction: Prediction


class ObjectFinder:
    """Finds the objects on a table, and knows them again in the next frame."""

    def __init__(self, settings: TabletopSettings | None = None) -> None:
        """Begin without any.

        Args:
            settings: What is an object, and how it is followed.

        """
        self.settings = settings or TabletopSettings()
        self._tracks = Tracks(self.settings.tracks)

    def find(self, observation: Observation) -> list[SceneObject]:
        """Find the objects of the next frame.

        Returns:
            The objects nearest to the picture's middle, the main one first. There are none before
            the first frame that has depth.

        """
        depth, colour = (observation.frames.get(m) for m in (Modality.DEPTH, Modality.RGB))
        boxes = None
        if depth is not None:
            camera = depth.camera or (None if colour is None else colour.camera)
            boxes = find_objects(np.asarray(depth.image, np.float32), self.settings, camera)
        picture = None if colour is None else np.asarray(colour.image, np.uint8)
        tracks = self._tracks.update(observation.stamp, boxes, picture)
        margin = self.settings.margin
        objects = [
            SceneObject(t.id, t.box.inside(), t.box.widened(margin).inside(), t.carried)
            for t in tracks
        ]
        nearest = sorted(objects, key=lambda each: (each.box.eccentricity, each.id))
        return nearest[: self.settings.max_objects]

    def main(self, observation: Observation) -> Box:
        """Find what is to be classified of the main object of the next frame.

        Raises:
            ImageError: There is no object.

        """
        found = self.find(observation)
        if not found:
            raise ImageError('there is no object on a table in the picture')
        return found[0].view


def finder_for(
    region: str, settings: RegionSettings, modalities: Collection[Modality] = tuple(Modality)
) -> ObjectFinder | None:
    """Choose who finds the objects.

    Args:
        region: ``bundle``: as the bundle was trained; ``tabletop``: on a table, whatever it was
            trained on.
        settings: The bundle's.
        modalities: The bundle's.

    Returns:
        A finder; None where the one object is in a region that never moves.

    Raises:
        SettingsError: Objects are to be found on a table, but there is no depth to find them in.

    """
    if region != 'tabletop' and settings.tabletop is None:
        return None
    if Modality.DEPTH not in modalities:
        raise SettingsError(
            f'parameter region: {region!r} finds objects in depth, which the bundle does not use; '
            "take 'bundle', or a bundle that was trained with depth"
        )
    return ObjectFinder(settings.tabletop)
