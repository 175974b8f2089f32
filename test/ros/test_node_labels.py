# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the real node says of what it sees, over DDS, in good times and bad."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from bundles import CLASSES, make_bundle
from outside import (
    DEPTH,
    NAMESPACE,
    NODE,
    NS,
    RGB,
    Camera,
    Jitter,
    NodeProcess,
    Outside,
    fill_compressed,
    until,
)
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from mm_perception.observation import UNKNOWN, Modality
from mm_perception.trust import TrustSettings

TRANSPORT = 0.05  # seconds that are promised besides two periods and one inference
OTHER = {RGB: DEPTH, DEPTH: RGB}


def limit(camera: Camera, inference: float, jitter: float) -> float:
    """How old an image may be when its label arrives: the promise, and what the machine adds.

    A frame, its label and the poll that notices a loss each wait for a thread to be woken, here
    and in the node's process.
    """
    return 2 * camera.period + TRANSPORT + inference + 4 * jitter


def test_a_stream_of_pairs_is_labelled_from_both(camera: Camera, outside: Outside) -> None:
    start = time.time_ns()
    heard = len(outside.labels)
    said = outside.wait_for_labels('rgbd', 5, start)
    assert len(outside.labels) > heard
    assert set(outside.labels[heard:]) <= set(CLASSES)
    for one in said:
        assert one.values['rgb_stamp'] == one.values['depth_stamp']
        assert int(one.values['rgb_stamp']) in camera.sent[RGB]
        stamp = one.header.stamp.sec * NS + one.header.stamp.nanosec
        assert stamp == int(one.values['rgb_stamp'])
        assert one.header.frame_id == 'eye'
        scores = {name: float(one.values[f'score/{name}']) for name in CLASSES}
        assert sum(scores.values()) == pytest.approx(1, abs=1e-4)
        assert one.values['label'] == max(scores, key=scores.__getitem__)
        assert float(one.values['confidence']) == pytest.approx(max(scores.values()), abs=1e-4)
        assert float(one.values['latency_ms']) >= float(one.values['inference_ms']) > 0


@pytest.mark.parametrize('lost', [DEPTH, RGB])
def test_a_lost_sensor_is_done_without_in_two_periods_and_back_with_its_first_good_frame(
    camera: Camera, outside: Outside, lost: Modality
) -> None:
    left = str(OTHER[lost])
    jitter = Jitter()
    start = camera.only(OTHER[lost])
    first = outside.wait_for_labels(left, 1, start)[0]
    outside.wait_for_mode(left)
    outside.wait_for_labels(left, 5)
    silence = outside.labels_since(start)
    worst = jitter.stop()
    allowed = limit(camera, max(one.inference for one in silence), worst)
    assert (first.at - start) / NS <= allowed
    for one in silence:
        if f'{lost}_stamp' in one.values:
            assert one.age(lost) <= allowed

    gone = len(camera.sent[lost])
    camera.only(RGB, DEPTH)
    pair = outside.wait_for_labels('rgbd', 1, time.time_ns())[0]
    # The very first may have given way to a newer one while inference was busy.
    assert int(pair.values[f'{lost}_stamp']) in camera.sent[lost][gone : gone + 3]
    outside.wait_for_mode('rgbd')


def test_no_label_is_given_when_both_sensors_are_lost(camera: Camera, outside: Outside) -> None:
    jitter = Jitter()
    start = camera.only()
    outside.wait_for_mode('none')
    time.sleep(0.5)
    said = outside.labels_since(start)
    allowed = limit(camera, max((one.inference for one in said), default=0), jitter.stop())
    assert all(max(one.age(m) for m in Modality) <= allowed for one in said if one.mode == 'rgbd')
    quiet = len(outside.labels)
    time.sleep(0.5)
    assert len(outside.labels) == quiet


@pytest.mark.parametrize(
    ('blind', 'how', 'reason'),
    [
        (RGB, np.zeros_like, 'black'),
        (RGB, lambda image: np.full_like(image, 255), 'white'),
        (DEPTH, np.zeros_like, '100% of the depth is invalid'),
    ],
    ids=['black', 'white', 'invalid'],
)
def test_a_sensor_that_shows_nothing_is_as_one_that_is_silent(
    camera: Camera, outside: Outside, blind: Modality, how: object, reason: str
) -> None:
    start = camera.change(blind, how)  # type: ignore[arg-type]
    outside.wait_for_mode(str(OTHER[blind]))
    status = outside.report(str(blind), lambda s: s.level == b'\2', 'ERROR')
    assert reason in status.message
    bad = camera.sent[blind]
    for one in outside.labels_since(start):
        if f'{blind}_stamp' in one.values:
            assert int(one.values[f'{blind}_stamp']) <= start, 'a label was made of a blind image'
    assert bad[-1] > start
    camera.alter.clear()
    outside.wait_for_labels('rgbd')


def test_a_frozen_sensor_is_done_without(camera: Camera, outside: Outside) -> None:
    frozen = np.random.default_rng(1).integers(600, 3000, (120, 160), dtype=np.uint16)
    camera.change(DEPTH, lambda _: frozen)
    outside.wait_for_mode('rgb')
    status = outside.report('depth', lambda s: s.level == b'\2', 'ERROR')
    assert 'frozen' in status.message
    camera.alter.clear()
    outside.wait_for_labels('rgbd')


def test_stamps_of_zero_are_taken_as_the_time_of_arrival(camera: Camera, outside: Outside) -> None:
    camera.stamps = {RGB: lambda _: 0}
    start = time.time_ns() + NS // 5
    said = outside.wait_for_labels('rgbd', 3, start)
    assert all(int(one.values['rgb_stamp']) > start - NS for one in said)


def test_a_bag_that_loops_goes_on_being_labelled(camera: Camera, outside: Outside) -> None:
    back = {m: lambda at: at - 100 * NS for m in Modality}
    camera.stamps = back
    start = time.time_ns() + NS // 5
    said = outside.wait_for_labels('rgbd', 3, start)
    assert all(int(one.values['depth_stamp']) < start - 50 * NS for one in said)
    camera.stamps = {m: lambda at: at - 200 * NS for m in Modality}
    start = time.time_ns() + NS // 5
    assert outside.wait_for_labels('rgbd', 3, start)


def test_a_bad_image_is_a_warning_and_never_a_label(
    camera: Camera, outside: Outside, perception: NodeProcess
) -> None:
    camera.encodings[DEPTH] = 'yuv422'
    outside.wait_for_mode('rgb')
    status = outside.report('depth', lambda s: s.level == b'\2', 'ERROR')
    assert "encoding 'yuv422'" in status.message
    until(
        lambda: any("encoding 'yuv422'" in line for line in perception.lines('WARN')),
        'a line in the log, which may come after the diagnostics',
    )
    camera.encodings[DEPTH] = '16UC1'
    outside.wait_for_labels('rgbd')
    outside.report('depth', lambda s: s.level == b'\0', 'OK')


def test_simulated_time_that_runs_stands_still_and_jumps_back(
    camera: Camera, outside: Outside
) -> None:
    offset = 50 * NS - time.time_ns()
    camera.stop()
    assert outside.set(use_sim_time=True)[0]
    running, stop = threading.Event(), threading.Event()
    running.set()

    def tell_the_time() -> None:
        while not stop.wait(0.02):
            if running.is_set():
                outside.tick(time.time_ns() + offset)

    clock = threading.Thread(target=tell_the_time)
    clock.start()
    simulated = Camera(outside.publish, stamps={m: lambda at: at + offset for m in Modality})
    try:
        outside.wait_for_labels('rgbd', 3)
        until(lambda: int(outside.said[-1].values['rgb_stamp']) < 1000 * NS, 'simulated stamps')
        simulated.only(RGB)
        outside.wait_for_mode('rgb')
        # Paused: no sensor is lost, and nothing dies.
        running.clear()
        simulated.only()
        time.sleep(1.0)
        assert outside.mode() == 'rgb'
        simulated.only(RGB, DEPTH)
        offset -= 40 * NS
        running.set()
        outside.wait_for_labels('rgbd', 3)
    finally:
        simulated.stop()
        stop.set()
        clock.join()
        assert outside.set(use_sim_time=False)[0]


def test_annotated_is_published_to_whoever_looks(camera: Camera, outside: Outside) -> None:
    pictures: list[Image] = []
    view = outside.node.create_subscription(Image, f'{NODE}/annotated', pictures.append, 1)
    until(lambda: len(pictures) >= 2, 'annotated images')
    outside.node.destroy_subscription(view)
    picture = pictures[-1]
    assert (picture.width, picture.height, picture.encoding) == (160, 120, 'rgb8')
    stamp = picture.header.stamp.sec * NS + picture.header.stamp.nanosec
    assert stamp in camera.sent[RGB]
    pixels = np.frombuffer(picture.data, np.uint8).reshape(120, 160, 3)
    assert (pixels == (60, 200, 60)).all(axis=-1).any()  # green: both sensors


def test_whoever_comes_late_is_told_the_mode(camera: Camera, outside: Outside) -> None:
    outside.wait_for_mode('rgbd')
    modes: list[str] = []
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    late = outside.node.create_subscription(
        String, f'{NODE}/modality', lambda m: modes.append(m.data), kept
    )
    until(lambda: modes, 'the mode')
    outside.node.destroy_subscription(late)
    assert modes[0] == 'rgbd'
    assert camera.on == set(Modality)


def test_vga_at_15_hz_arrives_whole_with_the_dds_profile(outside: Outside) -> None:
    outside.bring_to('active')
    camera = Camera(outside.publish, rate=15, size=(640, 480))
    try:
        outside.wait_for_labels('rgbd', 3)
        time.sleep(1.5)
        rates = {}
        for modality in Modality:
            status = outside.report(str(modality), lambda s: s.level == b'\0', 'OK')
            rates[modality] = float({v.key: v.value for v in status.values}['rate_hz'])
        # Without the profile depth comes at a fortieth of its rate.
        assert rates[DEPTH] == pytest.approx(rates[RGB], rel=0.3)
    finally:
        camera.stop()


def test_compressed_transports_are_subscribed_by_their_suffix(outside: Outside) -> None:
    outside.bring_to('unconfigured')
    transports = {'rgb_transport': 'compressed', 'depth_transport': 'compressedDepth'}
    assert outside.set(**transports)[0]
    topics = {
        RGB: f'{NAMESPACE}/rgb/image/compressed',
        DEPTH: f'{NAMESPACE}/depth/image/compressedDepth',
    }
    senders = {m: outside.node.create_publisher(CompressedImage, topics[m], 1) for m in Modality}

    def send(modality: Modality, message: Image) -> None:
        kind = np.uint8 if modality is RGB else np.uint16
        pixels = np.frombuffer(message.data, kind).reshape(message.height, message.width, -1)
        packed = CompressedImage(header=message.header)
        if modality is RGB:
            jpeg = cv2.imencode('.jpg', np.ascontiguousarray(pixels[..., ::-1]))[1]
            fill_compressed(packed, jpeg.tobytes(), 'rgb8; jpeg compressed bgr8')
        else:
            png = bytes(12) + cv2.imencode('.png', pixels)[1].tobytes()
            fill_compressed(packed, png, '16UC1; compressedDepth')
        senders[modality].publish(packed)

    outside.bring_to('active')
    camera = Camera(send)
    try:
        outside.wait_for_labels('rgbd', 3)
    finally:
        camera.stop()
        for sender in senders.values():
            outside.node.destroy_publisher(sender)
        outside.bring_to('unconfigured')
        assert outside.set(rgb_transport='raw', depth_transport='raw')[0]


def test_an_unknown_object_is_called_so_and_eyes_that_disagree_are_a_warning(
    outside: Outside, bundle: Path, tmp_path: Path
) -> None:
    """A bundle to which everything is strange; what it would have said can be had live."""
    usual = TrustSettings(
        false_rejection=0.01,
        novelty=dict.fromkeys(('rgbd', 'rgb', 'depth'), 1e-3),
        false_alarm=0.01,
        contradiction=1e-6,
    )
    assert outside.set(model=str(make_bundle(tmp_path / 'strict', trust=usual)))[0]
    outside.bring_to('active')
    camera = Camera(outside.publish)
    try:
        (said,) = outside.wait_for_labels('rgbd')[:1]
        assert said.values['label'] == UNKNOWN
        assert float(said.values['novelty']) > 1
        until(lambda: outside.labels[-1:] == [UNKNOWN], 'unknown as label')
        status = outside.report('trust', lambda s: s.level == b'\1', 'WARN')
        assert status.message.startswith('the two sensors disagree')
        assert outside.set(reject_unknown=False)[0]
        until(lambda: outside.labels[-1] in CLASSES, 'a class as label')
    finally:
        camera.stop()
        outside.set(reject_unknown=True)
        outside.bring_to('unconfigured')
        outside.set(model=str(bundle))
