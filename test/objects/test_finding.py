# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from tables import CAMERA, HEIGHT, WIDTH, Block, Table

from mm_perception.errors import ImageError, SettingsError
from mm_perception.features import BackboneSettings
from mm_perception.health import NS
from mm_perception.objects.finding import ObjectFinder, finder_for
from mm_perception.objects.tabletop import TabletopSettings
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.pipeline import PipelineSettings
from mm_perception.regions import RegionSettings

PERIOD = NS // 10
ROW = Table(blocks=tuple(Block(x, 0.02, 0.0, (0.08, 0.08, 0.1)) for x in (-0.25, 0.04, 0.3)))
TEXTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def observation(step: int, *modalities: Modality, table: Table = ROW) -> Observation:
    images: dict[Modality, Any] = {Modality.RGB: TEXTURE, Modality.DEPTH: table.depth(step)}
    return Observation.of(
        *(Frame(m, step * PERIOD, 'camera', images[m], CAMERA) for m in modalities or Modality)
    )


def test_main_object_is_the_one_nearest_to_the_middle() -> None:
    finder = ObjectFinder()
    found = finder.find(observation(1))
    assert len(found) == 3
    far = [each.box.eccentricity for each in found]
    assert far == sorted(far)
    assert finder.main(observation(2)).overlap(found[0].view) > 0.8


def test_what_is_classified_is_the_box_with_its_margin() -> None:
    for each in ObjectFinder(TabletopSettings(margin=0.25)).find(observation(1)):
        assert each.view == each.box.widened(0.25).inside()
        assert each.view.area > each.box.area


def test_objects_are_known_again_with_either_eye_alone_for_a_while() -> None:
    finder = ObjectFinder()
    first = {each.id for each in finder.find(observation(1))}
    without_depth = finder.find(observation(2, Modality.RGB))
    assert {each.id for each in without_depth} == first
    assert all(each.carried for each in without_depth)
    both = finder.find(observation(3))
    without_colour = finder.find(observation(4, Modality.DEPTH))
    assert {e.id for e in both} == {e.id for e in without_colour} == first
    assert not any(each.carried for each in (*both, *without_colour))


def test_nothing_is_found_before_the_first_depth() -> None:
    finder = ObjectFinder()
    assert finder.find(observation(1, Modality.RGB)) == []
    with pytest.raises(ImageError, match='no object'):
        finder.main(observation(2, Modality.RGB))


def test_colours_camera_info_stands_in_for_depths() -> None:
    seen = observation(1)
    bare = {m: Frame(m, f.stamp, f.frame_id, f.image) for m, f in seen.frames.items()}
    one = {**bare, Modality.RGB: seen.frames[Modality.RGB]}
    wide = TabletopSettings(field_of_view=100)
    assert ObjectFinder(wide).find(Observation(1, one)) == ObjectFinder(wide).find(
        Observation(1, dict(seen.frames))
    )
    assert ObjectFinder(wide).find(Observation(1, one)) != ObjectFinder(wide).find(
        Observation(1, bare)
    )


def test_of_too_many_objects_those_nearest_to_the_middle_are_taken() -> None:
    every = ObjectFinder().find(observation(1))
    assert ObjectFinder(TabletopSettings(max_objects=2)).find(observation(1)) == every[:2]


def test_objects_cannot_be_sought_without_depth() -> None:
    with pytest.raises(SettingsError, match="region: 'tabletop' finds objects in depth"):
        finder_for('tabletop', RegionSettings(), (Modality.RGB,))
    with pytest.raises(ValidationError, match='finds objects in depth'):
        PipelineSettings(
            region=RegionSettings(kind='tabletop'), backbones={Modality.RGB: BackboneSettings()}
        )


def test_finder_is_the_bundles_or_what_the_parameter_asks_for() -> None:
    crops, table = RegionSettings(kind='full'), TabletopSettings(margin=0.2)
    trained = RegionSettings(kind='tabletop', tabletop=table)
    assert finder_for('bundle', crops) is None
    for region, settings, expected in (
        ('tabletop', crops, TabletopSettings()),
        ('bundle', trained, table),
        ('tabletop', trained, table),
    ):
        finder = finder_for(region, settings)
        assert finder is not None
        assert finder.settings == expected
