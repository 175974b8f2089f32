# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tables import HEIGHT, WIDTH, Block, Table

from mm_perception.objects.finding import ObjectFinder
from mm_perception.objects.tabletop import TabletopSettings
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.pipeline import PipelineSettings, prepare
from mm_perception.regions import RegionSettings
from training.reading import Reading
from training.recipe import read_recipe

CUP = Block(0.04, 0.02, 0.3, (0.08, 0.08, 0.1))
BESIDE = Block(0.3, 0.02, 0.0, (0.1, 0.08, 0.07))
SETTINGS = PipelineSettings(region=RegionSettings(kind='tabletop'))


@dataclass(frozen=True)
class TableSource:
    """A recording of tables, each a frame."""

    tables: tuple[Table, ...]
    name: str = 'tables'

    def identity(self) -> Mapping[str, object]:
        return {}

    def observations(self, every: int) -> Iterator[tuple[int, Observation]]:
        colour = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        for i, table in enumerate(self.tables[::every]):
            images: dict[Modality, Any] = {Modality.RGB: colour, Modality.DEPTH: table.depth(i)}
            frames = (Frame(m, i * 10**8, 'camera', image) for m, image in images.items())
            yield i * 10**8, Observation.of(*frames)


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
