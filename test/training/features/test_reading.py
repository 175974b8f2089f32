# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tables import BESIDE, CUP, Table, TableSource

from mm_perception.objects.finding import ObjectFinder
from mm_perception.objects.tabletop import TabletopSettings
from mm_perception.pipeline import PipelineSettings, prepare
from mm_perception.regions import RegionSettings
from training.features.reading import Reading
from training.recipe import read_recipe

SETTINGS = PipelineSettings(region=RegionSettings(kind='tabletop'))


def test_recording_of_a_table_gives_rows_of_its_main_object_as_the_robot_would_see_it() -> None:
    source = TableSource((Table(blocks=(CUP, BESIDE)),) * 3)
    (batch,) = Reading(source, 1, SETTINGS)
    assert len(batch.times) == 3
    finder = ObjectFinder(SETTINGS.region.tabletop)
    for row, (_, seen) in enumerate(source.observations(1)):
        objects = finder.find(seen)
        assert len(objects) == 2
        expected = prepare(seen, SETTINGS, objects[0].view)
        for modality, image in expected.items():
            assert (batch.images[modality][row] == image).all()


def test_recipe_can_ask_for_tables() -> None:
    recipe = read_recipe(None, ['pipeline.region.kind=tabletop'])
    assert recipe.pipeline.region == SETTINGS.region
    near = read_recipe(None, ['pipeline.region={kind: tabletop, tabletop: {far: 1.2}}'])
    assert near.pipeline.region.tabletop == TabletopSettings(far=1.2)


def test_frames_without_an_object_give_no_row() -> None:
    source = TableSource((Table(), Table(blocks=(CUP,)), Table(), Table()))
    (batch,) = Reading(source, 1, SETTINGS)
    assert batch.times[0] == 10**8
    assert len(batch.times) + batch.skipped == 4
