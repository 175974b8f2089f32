# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A watch that looks for objects: each is labelled, also where depth is lost or nothing stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bundles import warm_classifier
from robot import DEPTH, INLETS, PATIENCE, RGB, START, Robot, until
from tables import CAMERA, Block, Table

from mm_perception.classifier import Classifier
from mm_perception.errors import StaleError
from mm_perception.health import NS
from mm_perception.images import fill_image
from mm_perception.interface.diagnostics import Level, Status
from mm_perception.objects.detections import DetectionFinder
from mm_perception.objects.finding import ObjectFinder
from mm_perception.observation import Modality

ROW = Table(blocks=tuple(Block(x, 0.02, 0.0, (0.08, 0.08, 0.1)) for x in (-0.25, 0.04, 0.3)))
EMPTY = Table()


class RobotAtATable(Robot):
    """One that looks at a table."""

    table = ROW

    def image(self, modality: Modality, stamp: int | None = None) -> Any:
        message = super().image(modality, stamp)
        if modality is DEPTH:
            noise = int(self._random.integers(1 << 30))
            fill_image(message, (self.table.depth(noise) * 1e3).astype(np.uint16), '16UC1')
        else:  # another brightness each time, as no camera sends the same picture twice
            self._shade = (getattr(self, '_shade', 0) + 1) % 9
            texture = np.random.default_rng(0).integers(20, 230, (240, 320, 3), dtype=np.uint8)
            fill_image(message, texture + np.uint8(self._shade), 'rgb8')
        return message


@pytest.fixture(scope='module')
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return warm_classifier(tmp_path_factory.mktemp('bundle'))


@pytest.fixture
def at_a_table(classifier: Classifier) -> Iterator[RobotAtATable]:
    robot = RobotAtATable(classifier, ObjectFinder())
    info = SimpleNamespace(width=CAMERA.width, height=CAMERA.height, k=CAMERA.k)
    robot.watch.know(DEPTH, info)
    yield robot
    robot.gate.set()
    assert robot.watch.close(PATIENCE)


def test_every_object_on_a_table_is_labelled_and_the_main_ones_label_is_the_nodes(
    at_a_table: RobotAtATable,
) -> None:
    at_a_table.see(RGB, DEPTH)
    labelled = at_a_table.wait_for(1)[0]
    assert labelled.objects is not None
    assert len(labelled.objects) == 3
    assert labelled.prediction is labelled.objects[0].prediction
    far = [each.seen.box.eccentricity for each in labelled.objects]
    assert far == sorted(far)
    for each in labelled.objects:
        assert each.prediction.mode == 'rgbd'
        assert each.prediction.stamp == at_a_table.now
        assert next(iter(each.prediction.took)) == 'find'
    status = next(s for s in at_a_table.watch.statuses(INLETS) if s.subject == 'objects')
    assert (status.level, status.values['objects']) == (Level.OK, '3')


def test_objects_go_on_being_labelled_from_colour_when_depth_is_lost(
    at_a_table: RobotAtATable,
) -> None:
    for count in range(1, 6):
        at_a_table.see(RGB, DEPTH)
        ids = {each.seen.id for each in at_a_table.wait_for(count)[-1].objects or ()}
    for count in range(6, 9):
        at_a_table.see(RGB)
        while len(at_a_table.labels) < count:
            at_a_table.see(RGB)
            at_a_table.watch.poll()
            time.sleep(0.05)
    for labelled in at_a_table.labels[5:]:
        assert labelled.objects is not None
        assert {each.seen.id for each in labelled.objects} == ids
        for each in labelled.objects:
            assert each.seen.carried
            assert each.prediction.mode == 'rgb'
        assert [frame.modality for frame in labelled.used] == [RGB]
    status = next(s for s in at_a_table.watch.statuses(INLETS) if s.subject == 'objects')
    assert status.level is Level.WARN


def test_objects_are_no_more_in_the_picture_when_there_is_none(
    at_a_table: RobotAtATable,
) -> None:
    at_a_table.see(RGB, DEPTH)
    at_a_table.wait_for(1)
    at_a_table.now += NS
    status = next(s for s in at_a_table.watch.statuses(INLETS) if s.subject == 'objects')
    assert (status.level, status.message) == (Level.OK, 'no picture')


def test_finding_that_takes_longer_than_a_frame_is_fresh_is_told(
    at_a_table: RobotAtATable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> list[Any]:
        for _ in range(3):  # meanwhile the camera goes on
            at_a_table.see(RGB, DEPTH)
        return []

    for count in range(1, 6):
        at_a_table.see(RGB, DEPTH)
        at_a_table.wait_for(count)
    with monkeypatch.context() as patched:
        patched.setattr(at_a_table.watch._finder, 'find', slow)
        at_a_table.see(RGB, DEPTH)
        until(lambda: bool(at_a_table.failures))
    assert isinstance(at_a_table.watch.fault, StaleError)
    assert "stale after 87; lower the camera's rate" in str(at_a_table.watch.fault)


def test_empty_table_has_no_label_and_is_no_fault(at_a_table: RobotAtATable) -> None:
    at_a_table.table = EMPTY
    at_a_table.see(RGB, DEPTH)
    labelled = at_a_table.wait_for(1)[0]
    assert labelled.prediction is None
    assert labelled.objects == ()
    assert len(labelled.used) == 2
    assert at_a_table.watch.fault is None
    assert not at_a_table.failures


def test_without_young_detections_there_is_no_label_and_diagnostics_say_why(
    classifier: Classifier,
) -> None:
    finder = DetectionFinder(0.5, 0.05, lambda: START)
    robot = Robot(classifier, finder, live=False)

    def objects() -> Status:
        return next(s for s in robot.watch.statuses(INLETS) if s.subject == 'objects')

    def detected(*sides: int) -> Any:
        boxes = [
            SimpleNamespace(
                center=SimpleNamespace(position=SimpleNamespace(x=32, y=24), theta=0),
                size_x=side,
                size_y=side,
            )
            for side in sides
        ]
        header = SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0))
        return SimpleNamespace(header=header, detections=[SimpleNamespace(bbox=b) for b in boxes])

    robot.see(RGB, DEPTH)
    assert not robot.labels
    assert 'no detections have come yet' in objects().message
    assert objects().level == Level.WARN
    finder.take(detected(20))  # without a stamp: as old as its arrival
    robot.see(RGB, DEPTH)
    assert robot.labels[-1].prediction is not None
    assert objects().message == '1 in the picture'
    finder.take(detected())
    robot.see(RGB, DEPTH)
    assert robot.labels[-1].prediction is None
    assert objects().message == 'no object in the picture'
    said = len(robot.labels)
    for _ in range(20):
        robot.see(RGB, DEPTH)
    assert robot.now > START + NS // 2
    assert all(each.observation.stamp <= START + NS // 2 for each in robot.labels)
    assert len(robot.labels) > said
    assert 'older than the image' in objects().message
    robot.watch.close(PATIENCE)
