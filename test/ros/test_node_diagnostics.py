# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the real node reports of itself on /diagnostics."""

from __future__ import annotations

import time
from typing import Any

from outside import DEPTH, NODE, NS, RGB, Camera, Outside, until
from sensor_msgs.msg import CameraInfo

OK, WARN, ERROR = b'\0', b'\1', b'\2'
SUBJECTS = {'rgb', 'depth', 'latency', 'model', 'device'}


def values_of(status: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def test_all_is_told_once_a_second_in_every_state(outside: Outside) -> None:
    for state in ('unconfigured', 'inactive'):
        outside.bring_to(state)
        start, known = time.time_ns(), len(outside.reports)
        until(lambda: len(outside.reports) > known + 2, 'reports')  # noqa: B023 - waited for here
        arrivals = [at for at, _ in outside.reports if at > start]
        # Besides the one that a transition makes at once.
        assert (arrivals[-1] - arrivals[-2]) / NS < 1.5
        _, statuses = outside.reports[-1]
        assert set(statuses) == SUBJECTS - {'latency'}
        assert {s.name for s in statuses.values()} == {f'{NODE}: {name}' for name in statuses}
        assert {statuses[name].level for name in ('rgb', 'depth', 'device')} == {OK}
        assert f'the node is {state}' in statuses['rgb'].message
        assert values_of(statuses['model'])['lifecycle'] == state


def test_a_node_that_works_is_ok_in_all_with_figures(camera: Camera, outside: Outside) -> None:
    time.sleep(1.5)
    for name in ('rgb', 'depth'):
        sensor = values_of(outside.report(name, lambda s: s.level == OK, 'OK'))
        assert abs(float(sensor['rate_hz']) - camera.rate) < camera.rate / 2
        assert float(sensor['age_s']) < 1
        assert sensor['topic'] == f'/robot/{name}/image'
        assert sensor['publishers'] == '/outside'
    labelled = outside.report('latency', lambda s: s.message.endswith(' ms'), 'labels')
    assert labelled.level == OK
    latency = values_of(labelled)
    assert 0 < float(latency['inference_p50_ms']) <= float(latency['latency_max_ms'])
    model = outside.report('model', lambda s: s.level == OK, 'OK')
    assert model.message.startswith('3 classes from ')
    device = outside.report('device', lambda s: s.level == OK, 'OK')
    assert device.message.startswith('running on ')


def test_a_lost_sensor_is_reported_at_once_with_what_to_do(
    camera: Camera, outside: Outside
) -> None:
    camera.only(RGB)
    outside.wait_for_mode('rgb')
    changed = outside.modes[-1][0]

    def told() -> list[int]:
        reports = [(at, s['depth']) for at, s in outside.reports if at > changed - NS // 10]
        return [at for at, status in reports if status.level == ERROR]

    until(told, 'the report')
    # At the change, not at the next full second; a busy machine takes its time to tell.
    assert (told()[0] - changed) / NS < 0.9
    status = outside.report('depth', lambda s: s.level == ERROR, 'ERROR')
    assert 'silent for' in status.message
    assert 'is the camera still plugged in?' in status.message


def test_a_topic_that_nobody_publishes_is_an_error_that_names_it(outside: Outside) -> None:
    assert outside.set(depth_transport='compressedDepth')[0]
    try:
        outside.bring_to('active')
        status = outside.report('depth', lambda s: s.level == ERROR, 'ERROR')
        assert status.message.startswith('/robot/depth/image/compressedDepth: nobody publishes it')
        assert 'start the camera driver' in status.message
    finally:
        outside.bring_to('unconfigured')
        assert outside.set(depth_transport='raw')[0]


def test_a_publisher_of_another_qos_is_named(outside: Outside) -> None:
    assert outside.set(reliability='reliable')[0]
    try:
        outside.bring_to('active')
        status = outside.report('rgb', lambda s: s.level == ERROR, 'ERROR')
        assert 'the QoS of /outside does not match' in status.message
        assert 'set reliability to best_effort' in status.message
    finally:
        outside.bring_to('unconfigured')
        assert outside.set(reliability='best_effort')[0]


def test_depth_that_is_not_registered_is_a_warning(camera: Camera, outside: Outside) -> None:
    camera.frame_ids[DEPTH] = 'infrared'
    status = outside.report('depth', lambda s: s.level == WARN, 'WARN')
    assert (
        'not registered to colour: depth is in the frame infrared, colour in eye' in status.message
    )
    camera.frame_ids[DEPTH] = 'eye'
    outside.report('depth', lambda s: s.level == OK, 'OK')
    for modality, focal in ((RGB, 525.0), (DEPTH, 580.0)):
        k = [focal, 0.0, 320.0, 0.0, focal, 240.0, 0.0, 0.0, 1.0]
        outside.infos[modality].publish(CameraInfo(width=640, height=480, k=k))
    status = outside.report('depth', lambda s: s.level == WARN, 'WARN')
    assert 'the two camera_info differ' in status.message
