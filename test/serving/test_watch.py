# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from bundles import make_bundle, warm_classifier
from robot import DEPTH, INLETS, PATIENCE, PERIOD, RGB, START, Robot, until

from mm_perception.classifier import Classifier
from mm_perception.errors import ImageError
from mm_perception.health import NS, HealthSettings
from mm_perception.interface.diagnostics import Level
from mm_perception.observation import Modality
from mm_perception.pairing import PairingSettings
from mm_perception.serving.request import ClassifierSettings


@pytest.fixture(scope='module')
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return warm_classifier(tmp_path_factory.mktemp('bundle'))


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


def test_pair_that_waits_for_slow_work_is_not_halved_while_both_sensors_live(robot: Robot) -> None:
    def see(number: int) -> None:
        """Let a period of colour pass; depth comes with each third image."""
        robot.see(RGB, *([DEPTH] if number % 3 == 0 else []))

    for number in range(16):
        see(number)
        robot.wait_for(number // 3 + 1)
    robot.gate.clear()
    for number in range(16, 19):  # the last completes a pair
        see(number)
    robot.wait_for(7)
    stamp = robot.now
    for number in range(19, 22):
        see(number)
    waiting = robot.now
    for number in range(22, 24):
        see(number)
    robot.now += 40_000_000  # colour is stale after 87 ms, depth after 220: the pair waited 107
    assert robot.watch.poll() == 'rgbd'
    robot.gate.set()
    labelled = robot.wait_for(8)[-1]
    assert (labelled.prediction.mode, labelled.prediction.stamp) == ('rgbd', waiting)
    assert robot.labels[6].prediction.stamp == stamp
    assert not robot.failures


def test_pair_that_waited_too_long_is_told_where_no_sensor_is_lost(robot: Robot) -> None:
    for count in range(1, 6):
        robot.see(RGB, DEPTH)
        robot.wait_for(count)
    robot.gate.clear()
    robot.see(RGB, DEPTH)
    robot.wait_for(6)
    robot.see(RGB, DEPTH)  # waits
    robot.now += 80_000_000
    for modality in (RGB, DEPTH):  # live, but of another moment each: they do not pair
        shift = -55_000_000 if modality is DEPTH else 0
        robot.watch.see(modality, robot.image(modality, robot.now + shift))
    robot.now += 20_000_000
    robot.gate.set()
    until(lambda: bool(robot.failures))
    assert str(robot.watch.fault).startswith('an image was 100 ms old before inference could begin')
    assert len(robot.labels) == 6


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
        broken.setattr(f'mm_perception.serving.watch.{part}', fail)
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
