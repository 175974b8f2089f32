# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from tables import HEIGHT, WIDTH, Block, Table

from mm_perception.errors import ImageError
from mm_perception.features import BackboneSettings
from mm_perception.objects.finding import ObjectFinder
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.pipeline import Pipeline, PipelineSettings, prepare
from mm_perception.regions import RegionSettings

RGB, DEPTH = Modality.RGB, Modality.DEPTH
SMALL = BackboneSettings(name='squeezenet1_0', weights='random')
NOISE = np.random.default_rng(0)
COLOUR = NOISE.integers(0, 256, (120, 160, 3), dtype=np.uint8)
DISTANCE = NOISE.uniform(0.5, 2, (120, 160)).astype(np.float32)


@pytest.fixture(scope='module')
def pipeline() -> Pipeline:
    return Pipeline(PipelineSettings(backbones={RGB: SMALL, DEPTH: SMALL}))


def observation(**images: np.ndarray) -> Observation:
    return Observation.of(*(Frame(Modality(m), 1, 'camera', i) for m, i in images.items()))


def test_every_modality_present_is_prepared(pipeline: Pipeline) -> None:
    assert set(pipeline.prepare(observation(rgb=COLOUR, depth=DISTANCE))) == {RGB, DEPTH}
    assert set(pipeline.prepare(observation(rgb=COLOUR))) == {RGB}
    images = pipeline.prepare(observation(depth=DISTANCE))
    assert images[DEPTH].shape == (148, 148, 3)
    assert images[DEPTH].dtype == np.uint8


def test_modality_without_anything_in_its_region_is_left_out(pipeline: Pipeline) -> None:
    empty = DISTANCE.copy()
    empty[20:100, 40:120] = np.nan  # the margin is valid, where the object is nothing is
    assert set(pipeline.prepare(observation(rgb=COLOUR, depth=empty))) == {RGB}
    with pytest.raises(ImageError, match='depth'):
        pipeline.prepare(observation(depth=empty))
    empty[30:34] = 1.0  # 7 % of it: what the rest would be filled with is invented
    assert set(pipeline.prepare(observation(rgb=COLOUR, depth=empty))) == {RGB}
    empty[30:38] = 1.0
    assert set(pipeline.prepare(observation(rgb=COLOUR, depth=empty))) == {RGB, DEPTH}


def test_on_a_table_the_object_nearest_to_the_middle_is_prepared() -> None:
    table = Table(blocks=tuple(Block(x, 0.02, 0.0, (0.08, 0.08, 0.1)) for x in (0.04, 0.3)))
    noise = NOISE.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    seen = observation(rgb=noise, depth=table.depth())
    settings = PipelineSettings(region=RegionSettings(kind='tabletop'))
    near, far = ObjectFinder().find(seen)
    images = prepare(seen, settings)
    for modality, image in images.items():
        assert (image == prepare(seen, settings, near.view)[modality]).all()
        assert (image != prepare(seen, settings, far.view)[modality]).any()
    with pytest.raises(ImageError, match='no object on a table'):
        prepare(observation(rgb=noise, depth=Table().depth()), settings)
    with pytest.raises(ImageError, match='no object on a table'):
        prepare(observation(rgb=noise), settings)


def test_features_of_a_batch_are_those_of_its_images(pipeline: Pipeline) -> None:
    batch = NOISE.integers(0, 256, (3, 148, 148, 3), dtype=np.uint8)
    together = pipeline.features({RGB: batch})[RGB]
    alone = torch.cat([pipeline.features({RGB: batch[i : i + 1]})[RGB] for i in range(3)])
    assert together.shape == (3, pipeline.dimensions[RGB])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_equal_backbones_share_their_memory_and_others_do_not() -> None:
    other = BackboneSettings(name='squeezenet1_0', weights='random', seed=1)
    shared = Pipeline(PipelineSettings(backbones={RGB: SMALL, DEPTH: SMALL}))
    apart = Pipeline(PipelineSettings(backbones={RGB: SMALL, DEPTH: other}))
    assert shared.backbones[RGB] is shared.backbones[DEPTH]
    assert apart.backbones[RGB] is not apart.backbones[DEPTH]


def test_pinned_settings_carry_the_weights_fingerprints(pipeline: Pipeline) -> None:
    pinned = pipeline.pinned
    assert pinned.backbones[RGB].sha256 == pipeline.backbones[RGB].sha256
    assert PipelineSettings.model_validate(pinned.model_dump(mode='json')) == pinned
