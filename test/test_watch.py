# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
import weakref
from array import array
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from bundles import make_bundle
from tables import CAMERA, Block, Table

from mm_perception.classifier import Classifier
from mm_perception.diagnostics import Inlet, Level, Source, Status
from mm_perception.errors import ImageError
from mm_perception.health import NS, HealthSettings
from mm_perception.images import fill_image
from mm_perception.objects.detections import DetectionFinder
from mm_perception.objects.finding import ObjectFinder
from mm_perception.observation import Modality
from mm_perception.pairing import PairingSettings
from mm_perception.request import ClassifierSettings
from mm_perception.watch import Labelled, Watch

RGB, DEPTH = Modality.RGB, Modality.DEPTH
PERIOD = NS // 30
START = 1_000 * NS
PATIENCE = 30.0  # seconds of real time; the clock of the tests is another
IMAGE = 'sensor_msgs/msg/Image'
INLETS = {m: Inlet(f'/{m}', IMAGE, [Source('/driver', IMAGE)]) for m in Modality}


class Robot:
    """A watch whose time is the test's, and who hears what it says."""

    def __init__(
        self,
        classifier: Classifier,
        finder: ObjectFinder | DetectionFinder | None = None,
        *,
        live: bool = True,
    ) -> None:
        self.now = START
        self.labels: list[Labelled] = []
        self.failures: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self._random = np.random.default_rng(0)
        self.watch = Watch(
            classifier,
            HealthSettings(),
            PairingSettings(),
            finder=finder,
            clock=lambda: self.now,
            said=self._hear,
            failed=self.failures.append,
            live=live,
        )

    def _hear(self, labelled: Labelled) -> None:
        self.labels.append(labelled)
        assert self.gate.wait(PATIENCE)

    def image(self, modality: Modality, stamp: int | None = None) -> Any:
        """Make a message as rclpy hands it over, of a scene with noise."""
        at = self.now if stamp is None else stamp
        header = SimpleNamespace(
            stamp=SimpleNamespace(sec=at // NS, nanosec=at % NS), frame_id='camera'
        )
        message = SimpleNamespace(header=header, data=array('B'))
        if modality is RGB:
            pixels = self._random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            fill_image(message, pixels, 'rgb8')
        else:
            metres = self._random.integers(500, 2000, (48, 64), dtype=np.uint16)
            fill_image(message, metres, '16UC1')
        return message

    def see(self, *modalities: Modality) -> None:
        """Let a frame period pass and an image of each modality arrive."""
        self.now += PERIOD
        for modality in modalities:
            self.watch.see(modality, self.image(modality))

    def idle(self, nanoseconds: int) -> set[str]:
        """Let time pass without an image, polling as the node does; return the modes met."""
        end, modes = self.now + nanoseconds, set()
        while self.now < end:
            self.now += 10_000_000
            modes.add(self.watch.poll())
        return modes

    def wait_for(self, count: int) -> list[Labelled]:
        until(lambda: len(self.labels) >= count)
        return self.labels


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture(scope='module')
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    classifier = Classifier(make_bundle(tmp_path_factory.mktemp('bundle') / 'model'), 'cpu')
    classifier.warm_up()
    return classifier


@pytest.fixture
def robot(classifier: Classifier) -> Iterator[Robot]:
    robot = Robot(classifier)
    yield robot
    robot.gate.set()
    assert robot.watch.close(PATIENCE)


def test_a_label_knows_its_messages_which_are_let_go_with_their_frames(robot: Robot) -> None:
    infos = {m: SimpleNamespace(width=64, height=48, k=[50.0] * 9) for m in Modality}
    sent: list[weakref.ref[Any]] = []
    for number in range(12):
        robot.now += PERIOD
        messages = {m: robot.image(m) for m in Modality}
        sent += [weakref.ref(message.data) for message in messages.values()]
        for modality, message in messages.items():
            robot.watch.know(modality, infos[modality])
            robot.watch.see(modality, message)
        labelled = robot.wait_for(number + 1)[-1]
        assert labelled.received.keys() == messages.keys()
        for modality, received in labelled.received.items():
            assert received.message is messages[modality]
            assert received.camera_info is infos[modality]
            assert received.time == robot.now
    del messages, message, labelled, received
    robot.labels.clear()
    alive = sum(ref() is not None for ref in sent)
    assert alive <= 4, f'{alive} of {len(sent)} messages are still held'


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


def test_a_pair_is_labelled_from_both_and_says_when_it_was_seen(robot: Robot) -> None:
    robot.see(RGB, DEPTH)
    labelled = robot.wait_for(1)[0]
    assert labelled.prediction.mode == 'rgbd'
    assert labelled.prediction.stamp == robot.now
    assert {frame.modality for frame in labelled.used} == {RGB, DEPTH}
    assert labelled.latency >= labelled.inference > 0


def test_the_mode_is_none_until_the_first_observation(robot: Robot) -> None:
    assert robot.idle(50_000_000) == {'none'}
    robot.see(RGB, DEPTH)
    assert robot.watch.poll() == 'rgbd'


def test_a_single_goes_out_when_its_partner_is_lost(robot: Robot) -> None:
    for count in range(1, 6):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    for _ in range(4):
        robot.see(RGB)
        robot.watch.poll()
    labelled = robot.wait_for(6)[-1]
    assert labelled.prediction.mode == 'rgb'
    assert [frame.modality for frame in labelled.used] == [RGB]
    assert robot.watch.poll() == 'rgb'
    assert robot.watch.lost().startswith('(depth: silent for ')


def test_no_label_is_made_of_an_observation_that_waited_until_its_sensor_was_lost(
    robot: Robot,
) -> None:
    robot.gate.clear()  # the first label's publication hangs, and with it the worker
    robot.see(RGB, DEPTH)
    robot.wait_for(1)
    robot.see(RGB, DEPTH)
    robot.idle(NS)
    robot.gate.set()
    time.sleep(0.3)  # for the worker to come to it before a newer one takes its place
    robot.see(RGB, DEPTH)
    robot.wait_for(2)
    assert robot.labels[1].prediction.stamp == robot.now  # not of the pair a second ago
    assert len(robot.labels) == 2


def test_of_an_observation_that_waited_only_what_is_fresh_is_labelled(robot: Robot) -> None:
    for count in range(1, 6):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    robot.gate.clear()
    robot.see(RGB, DEPTH)
    robot.wait_for(6)
    robot.now += PERIOD
    robot.watch.see(DEPTH, robot.image(DEPTH))
    stamp = robot.now
    robot.now += 60_000_000
    robot.watch.see(RGB, robot.image(RGB, stamp))  # the pair is complete, and waits
    robot.now += 40_000_000
    robot.gate.set()
    labelled = robot.wait_for(7)[-1]
    assert labelled.prediction.mode == 'rgb'  # depth came 100 ms ago
    assert [frame.stamp for frame in labelled.used] == [stamp]


def test_of_observations_that_wait_the_newest_is_labelled(robot: Robot) -> None:
    robot.gate.clear()
    robot.see(RGB, DEPTH)
    robot.wait_for(1)
    for _ in range(5):
        robot.see(RGB, DEPTH)
    robot.gate.set()
    robot.wait_for(2)
    assert robot.labels[1].prediction.stamp == robot.now
    latency = robot.watch.statuses(INLETS)[-2]
    assert latency.values['replaced_observations'] == '4'


def test_a_stamp_of_zero_is_taken_as_the_time_of_arrival(robot: Robot) -> None:
    robot.now += PERIOD
    robot.watch.see(RGB, robot.image(RGB, stamp=0))
    robot.watch.see(DEPTH, robot.image(DEPTH))
    labelled = robot.wait_for(1)[0]
    assert labelled.prediction.mode == 'rgbd'
    assert labelled.prediction.stamp == robot.now


def test_images_are_left_alone_until_a_simulated_time_begins(robot: Robot) -> None:
    begin, robot.now = robot.now, 0
    for _ in range(3):
        robot.watch.see(RGB, robot.image(RGB))
        robot.watch.see(DEPTH, robot.image(DEPTH))
        assert robot.watch.poll() == 'none'
    robot.now = begin
    for count in range(1, 4):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    robot.idle(NS)
    assert robot.watch.poll() == 'none'  # no period was learned from the jump


def test_it_tells_when_to_look_up_next(robot: Robot) -> None:
    for count in range(1, 6):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    # Two periods and the grace, from the last image on.
    assert robot.watch.rest() == pytest.approx(2 / 30 + 0.02, abs=1e-3)
    robot.now += PERIOD
    assert robot.watch.rest() == pytest.approx(1 / 30 + 0.02, abs=1e-3)
    robot.now += NS
    assert robot.watch.poll() == 'none'
    assert robot.watch.rest() is None


def test_sensors_that_are_lost_just_after_a_look_are_looked_up_again(robot: Robot) -> None:
    for count in range(1, 6):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    robot.now += 86_000_000
    assert robot.watch.poll() == 'rgbd'
    robot.now += 1_000_000  # before anybody asks when to look up next
    assert robot.watch.rest() == 0
    assert robot.watch.poll() == 'none'
    assert robot.watch.rest() is None


def test_a_clock_that_is_set_back_does_not_stop_the_labels(robot: Robot) -> None:
    for count in range(1, 4):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    robot.now = START - 100 * NS
    robot.see(RGB, DEPTH)
    assert robot.wait_for(4)[-1].prediction.stamp == robot.now


def test_an_image_that_cannot_be_read_is_refused_and_named_until_a_good_one_comes(
    robot: Robot,
) -> None:
    for count in range(1, 4):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    robot.now += PERIOD
    broken = robot.image(DEPTH)
    broken.encoding = 'yuv422'
    with pytest.raises(ImageError, match='yuv422'):
        robot.watch.see(DEPTH, broken)
    depth = robot.watch.statuses(INLETS)[1]
    assert (depth.subject, depth.level) == ('depth', Level.WARN)
    assert 'yuv422' in depth.message
    robot.see(RGB, DEPTH)
    assert robot.watch.statuses(INLETS)[1].level is Level.OK


@pytest.mark.parametrize(
    'part', ['frame_from_message', 'SensorHealth.inspect'], ids=['decoding', 'health']
)
def test_a_bug_on_the_way_in_costs_the_image_and_is_named_until_a_good_one_comes(
    robot: Robot, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError('division by zero')

    for count in range(1, 4):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    why = 'depth image: ZeroDivisionError: division by zero'
    with monkeypatch.context() as broken:
        broken.setattr(f'mm_perception.watch.{part}', fail)
        with pytest.raises(ImageError, match=why):
            robot.watch.see(DEPTH, robot.image(DEPTH))
        assert why in robot.watch.statuses(INLETS)[1].message
    robot.see(RGB, DEPTH)
    assert robot.wait_for(4)[-1].prediction.mode == 'rgbd'
    assert robot.watch.statuses(INLETS)[1].level is Level.OK


def test_a_failed_inference_is_told_and_the_next_image_is_labelled(
    robot: Robot, monkeypatch: pytest.MonkeyPatch, classifier: Classifier
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError('CUDA error: an illegal memory access was encountered')

    with monkeypatch.context() as broken:
        broken.setattr(classifier, '_judge', fail)
        robot.see(RGB, DEPTH)
        until(lambda: bool(robot.failures))
    assert isinstance(robot.watch.fault, RuntimeError)
    robot.see(RGB, DEPTH)
    robot.wait_for(1)
    assert robot.watch.fault is None


def test_settings_change_from_the_next_image_on(robot: Robot) -> None:
    robot.now += PERIOD
    robot.watch.adjust(HealthSettings(), PairingSettings(slop=0.001), ClassifierSettings())
    robot.watch.see(RGB, robot.image(RGB, robot.now))
    robot.watch.see(DEPTH, robot.image(DEPTH, robot.now - 5_000_000))
    assert robot.watch.poll() == 'none'  # 5 ms apart: no pair
    robot.watch.adjust(HealthSettings(), PairingSettings(slop=0.01), ClassifierSettings())
    robot.now += PERIOD
    robot.watch.see(RGB, robot.image(RGB, robot.now))
    robot.watch.see(DEPTH, robot.image(DEPTH, robot.now - 5_000_000))
    assert robot.wait_for(1)[0].prediction.mode == 'rgbd'


def test_depth_that_is_not_registered_is_a_warning_on_depth(robot: Robot) -> None:
    for _ in range(4):
        robot.now += PERIOD
        robot.watch.see(RGB, robot.image(RGB))
        other = robot.image(DEPTH)
        other.header.frame_id = 'infrared'
        robot.watch.see(DEPTH, other)
    rgb, depth, *_ = robot.watch.statuses(INLETS)
    assert rgb.level is Level.OK
    assert depth.level is Level.WARN
    assert 'depth is in the frame infrared, colour in camera' in depth.message


def test_a_bundle_of_one_modality_is_served_with_that_alone(tmp_path: Any, robot: Robot) -> None:
    single = Classifier(make_bundle(tmp_path / 'model', DEPTH), 'cpu')
    single.warm_up()
    alone = Robot(single)
    alone.see(DEPTH)
    assert alone.wait_for(1)[0].prediction.mode == 'depth'
    assert [s.subject for s in alone.watch.statuses(INLETS)] == ['depth', 'latency', 'trust']
    assert alone.watch.close(PATIENCE)
    assert not robot.labels


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
    assert status.level is Level.STALE


def test_empty_table_has_no_label_and_is_no_fault(at_a_table: RobotAtATable) -> None:
    at_a_table.table = EMPTY
    at_a_table.see(RGB, DEPTH)
    labelled = at_a_table.wait_for(1)[0]
    assert labelled.prediction is None
    assert labelled.objects == ()
    assert len(labelled.used) == 2
    assert at_a_table.watch.fault is None
    assert not at_a_table.failures


@pytest.mark.parametrize(('live', 'modes'), [(False, ['rgbd'] * 2), (True, [])])
def test_only_of_a_recording_are_images_paired_that_came_far_apart(
    classifier: Classifier, live: bool, modes: list[str]
) -> None:
    robot = Robot(classifier, live=live)
    for i in range(2):  # from the third on a slow player would be taken for the reason
        stamp = START + i * PERIOD
        for modality in (RGB, DEPTH):
            robot.now += 2 * NS
            robot.watch.see(modality, robot.image(modality, stamp))
    assert robot.watch.close(PATIENCE)  # a recording's labels are there before ``see`` returns
    pairs = [labelled.prediction.mode for labelled in robot.labels]
    assert [mode for mode in pairs if mode == 'rgbd'] == modes
