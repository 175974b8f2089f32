# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The real node in front of a table with three things on it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import CLASSES, make_bundle
from numpy.typing import NDArray
from outside import DEPTH, NODE, RGB, Camera, Outside, Said, until
from sensor_msgs.msg import Image
from tables import HEIGHT, WIDTH, Block, Table

GREEN, ORANGE = (60, 200, 60), (255, 150, 30)
ROW = Table(blocks=tuple(Block(x, 0.02, 0.0, (0.08, 0.08, 0.1)) for x in (-0.25, 0.04, 0.3)))


def still_scene(table: Table) -> dict[Any, Any]:
    """Pictures of a table that stands still, with a sensor's noise."""
    random = np.random.default_rng(0)
    colour = random.integers(20, 230, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    pictures = {
        RGB: itertools.cycle([colour + np.uint8(i) for i in range(5)]),
        DEPTH: itertools.cycle([(1e3 * table.depth(i)).astype(np.uint16) for i in range(5)]),
    }

    def altered(images: Iterator[NDArray[Any]]) -> Any:
        return lambda _: next(images)

    return {modality: altered(images) for modality, images in pictures.items()}


@pytest.fixture
def table(outside: Outside) -> Iterator[Camera]:
    assert outside.set(region='tabletop')[0]
    outside.bring_to('active')
    camera = Camera(outside.publish, alter=still_scene(ROW))
    yield camera
    camera.stop()
    outside.bring_to('unconfigured')
    assert outside.set(region='bundle')[0]


def heard(outside: Outside, mode: str, count: int = 3) -> list[list[Said]]:
    """Wait for so many messages from now on, in which every object has the mode."""
    start = time.time_ns()

    def since() -> list[list[Said]]:
        told = [said for said in list(outside.objects) if said and said[0].at >= start]
        return [said for said in told if {each.mode for each in said} == {mode}]

    until(lambda: len(since()) >= count, f'{count} messages about objects in mode {mode}')
    return since()


def test_every_object_is_labelled_and_goes_on_being_labelled_without_depth(
    table: Camera, outside: Outside
) -> None:
    both = heard(outside, 'rgbd')[-1]
    assert len(both) == 3
    ids = {each.values['id'] for each in both}
    assert len(ids) == 3
    middle = [sum(map(int, each.values['box'].split()[::2])) for each in both]
    assert abs(middle[0] - WIDTH / 2) < min(abs(x - WIDTH / 2) for x in middle[1:])
    for each in both:
        assert each.values['label'] in CLASSES
        assert each.values['carried'] == 'false'
    outside.report('objects', lambda s: s.message == '3 in the picture', '3 objects')

    table.only(RGB)
    alone = heard(outside, 'rgb')[-1]
    assert {each.values['id'] for each in alone} == ids
    assert all(each.values['carried'] == 'true' for each in alone)
    assert all('depth_stamp' not in each.values for each in alone)
    outside.report('objects', lambda s: s.level == b'\1', 'WARN')

    table.only(RGB, DEPTH)
    back = heard(outside, 'rgbd')[-1]
    assert {each.values['id'] for each in back} == ids


def test_all_objects_are_drawn(table: Camera, outside: Outside) -> None:
    pictures: list[Image] = []
    view = outside.node.create_subscription(Image, f'{NODE}/annotated', pictures.append, 1)
    until(lambda: len(pictures) >= 2, 'annotated images')
    outside.node.destroy_subscription(view)
    assert table.on == {RGB, DEPTH}
    said = heard(outside, 'rgbd', 1)[-1]
    pixels = np.frombuffer(pictures[-1].data, np.uint8).reshape(HEIGHT, WIDTH, 3)
    for each in said:
        x, y, width, height = map(int, each.values['box'].split())
        around = pixels[y - 4 : y + height + 4, x - 4 : x + width + 4]
        assert (around == GREEN).all(axis=-1).sum() > width


def test_nothing_is_said_of_an_empty_table(outside: Outside) -> None:
    assert outside.set(region='tabletop')[0]
    outside.bring_to('active')
    quiet = len(outside.labels)
    camera = Camera(outside.publish, alter=still_scene(Table()))
    try:
        before = len(outside.objects)
        until(lambda: len(outside.objects) >= before + 3, 'messages without an object')
        assert outside.objects[before:] == [[]] * len(outside.objects[before:])
        outside.report('objects', lambda s: s.message.startswith('no object'), 'none')
        assert len(outside.labels) == quiet
    finally:
        camera.stop()
        outside.bring_to('unconfigured')
        assert outside.set(region='bundle')[0]


def test_objects_are_not_sought_with_a_bundle_that_uses_no_depth(
    outside: Outside, bundle: Path, tmp_path: Path
) -> None:
    model = make_bundle(tmp_path / 'colour', RGB)
    quick = {'engine': 'torch', 'precision': 'float32'}  # which need not be measured first
    assert outside.set(region='tabletop', model=str(model), **quick)[0]
    try:
        assert not outside.transit('configure')
        status = outside.report('model', lambda s: s.level == b'\2', 'ERROR')
        assert "parameter region: 'tabletop' finds objects in depth" in status.message
    finally:
        usual = {'engine': 'auto', 'precision': 'auto'}
        assert outside.set(region='bundle', model=str(bundle), **usual)[0]
