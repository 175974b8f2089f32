# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The real node labels what a detector finds, and nothing once the detector is silent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import real_vision_msgs
from bundles import CLASSES
from conftest import CHECKOUT
from outside import NAMESPACE, NODE, NS, RGB, SIZE, Camera, Outside, Said, until

from mm_perception.interface import messages

BOXES = ((40, 30, 30, 40), (110, 80, 40, 20))  # middle, and sides, in pixels
needs_vision_msgs = pytest.mark.skipif(
    messages.OBJECTS is None, reason='vision_msgs is not installed'
)


@pytest.mark.skipif(messages.OBJECTS is not None, reason='vision_msgs is installed')
def test_without_vision_msgs_detections_are_refused_by_name(outside: Outside) -> None:
    assert outside.set(region='detections')[0]
    try:
        assert not outside.transit('configure')
        status = outside.report('model', lambda s: s.level == b'\2', 'ERROR')
        assert "parameter region: 'detections' needs vision_msgs" in status.message
    finally:
        assert outside.set(region='bundle')[0]


class Detector:
    """Publishes the same boxes for every picture that the camera sends, or is silent."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self.on = True
        topic = f'{NAMESPACE}/detections'
        self._out = outside.node.create_publisher(messages.OBJECTS, topic, 1)

    def publish(self, modality: Any, message: Any) -> None:
        """Pass an image on, and what is in it before it."""
        if self.on and modality is RGB:
            found = messages.OBJECTS(header=message.header)
            for x, y, across, down in BOXES:
                made = messages.vision.Detection2D(header=message.header)
                made.bbox.center.position.x, made.bbox.center.position.y = float(x), float(y)
                made.bbox.size_x, made.bbox.size_y = float(across), float(down)
                found.detections.append(made)
            self._out.publish(found)
        self.outside.publish(modality, message)

    def close(self) -> None:
        self.outside.node.destroy_publisher(self._out)


@pytest.fixture
def detector(outside: Outside) -> Iterator[Detector]:
    assert outside.set(region='detections', detections_age=0.3)[0]
    outside.bring_to('active')
    detector = Detector(outside)
    camera = Camera(detector.publish)
    yield detector
    camera.stop()
    detector.close()
    outside.bring_to('unconfigured')
    assert outside.set(region='bundle', detections_age=0.5)[0]


def told(outside: Outside, count: int) -> list[list[Said]]:
    """Wait for so many messages about objects from now on."""
    start = time.time_ns()

    def since() -> list[list[Said]]:
        return [said for said in list(outside.objects) if said and said[0].at >= start]

    until(lambda: len(since()) >= count, f'{count} messages about objects')
    return since()


@needs_vision_msgs
def test_every_detection_is_labelled_until_the_detector_falls_silent(
    detector: Detector, outside: Outside
) -> None:
    said = told(outside, 3)[-1]
    assert len(said) == len(BOXES)
    boxes = {tuple(map(int, each.values['box'].split())) for each in said}
    assert boxes == {(x - w // 2, y - h // 2, w, h) for x, y, w, h in BOXES}
    assert all(each.values['label'] in CLASSES and each.mode == 'rgbd' for each in said)
    assert all(x < SIZE[0] for x, *_ in boxes)
    outside.report('objects', lambda s: s.message == '2 in the picture', '2 objects')
    heard: list[Any] = []
    ear = outside.node.create_subscription(messages.OBJECTS, f'{NODE}/objects', heard.append, 10)
    until(lambda: heard, 'objects')
    outside.node.destroy_subscription(ear)
    published = {(d.bbox.center.position.x, d.bbox.size_y) for d in heard[-1].detections}
    assert published == {(x, height) for x, _, _, height in BOXES}
    assert {len(each.results) for each in heard[-1].detections} == {len(CLASSES)}

    detector.on = False
    last = time.time_ns()
    status = outside.report('model', lambda s: 'the newest detections are' in s.message, 'old')
    assert status.level == b'\1'
    assert 'raise detections_age' in status.message
    outside.report('objects', lambda s: s.message.startswith('not known'), 'not known')
    quiet = len(outside.objects)
    time.sleep(0.5)
    assert len(outside.objects) == quiet
    used = [each for said in outside.objects for each in said if each.at > last]
    stamps = [int(each.values['rgb_stamp']) for each in used]
    # The last detections are of a picture sent before ``last``.
    assert not stamps or max(stamps) <= last + 0.3 * NS

    detector.on = True
    assert len(told(outside, 2)[-1]) == len(BOXES)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_with_vision_msgs_all_that_needs_it_passes(tmp_path: Path) -> None:
    missing = real_vision_msgs.why_not()
    if missing or messages.OBJECTS is not None:
        pytest.skip(f'vision_msgs cannot be built here: no {missing}' if missing else 'it is there')
    environment = {**os.environ, **real_vision_msgs.build(tmp_path)}
    tests = [__file__, 'test/ros/test_node_objects.py', 'test/interface/test_messages.py']
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-rs', *tests],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert 'vision_msgs is not installed' not in done.stdout
