# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from mm_perception.errors import ImageError, StaleError
from mm_perception.health import SensorStatus
from mm_perception.interface.diagnostics import (
    FASTDDS_HINT,
    Inlet,
    Level,
    Source,
    device_status,
    latency_status,
    model_status,
    never_pairs,
    objects_status,
    sensor_status,
    trust_status,
    unregistered,
    unsubscribed_status,
)
from mm_perception.observation import Modality, Prediction

IMAGE = 'sensor_msgs/msg/Image'
RGB, DEPTH = Modality.RGB, Modality.DEPTH
WELL = SensorStatus('ok', '30.0 Hz', 30.0, 0.01)
NEVER = SensorStatus('stale', 'no frame has come yet', 0.0, None)
SILENT = SensorStatus('error', 'silent for 0.30 s', 12.0, 0.3)
BLACK = SensorStatus('error', 'the picture is black: is the lens covered?', 30.0, 0.3)
HEARD = Inlet('/depth', IMAGE, [Source('/driver', IMAGE)])


def test_a_sensor_that_is_well_is_ok_with_its_rate_and_age() -> None:
    status = sensor_status(DEPTH, WELL, HEARD, other=WELL)
    assert (status.subject, status.level, status.message) == ('depth', Level.OK, '30.0 Hz')
    assert status.values == {
        'topic': '/depth',
        'publishers': '/driver',
        'rate_hz': '30.00',
        'age_s': '0.010',
        'health': '30.0 Hz',
    }


def test_levels_are_those_of_diagnostic_msgs() -> None:
    message = pytest.importorskip('diagnostic_msgs.msg').DiagnosticStatus
    for level in Level:
        assert bytes([level]) == getattr(message, level.name)


@pytest.mark.parametrize('health', [NEVER, SILENT])
@pytest.mark.parametrize(
    ('sources', 'cause', 'cure'),
    [
        ([], 'nobody publishes it', 'remap depth/image'),
        (
            [Source('/driver', 'sensor_msgs/msg/CompressedImage')],
            '/driver publishes sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image',
            'set depth_transport',
        ),
        (
            [Source('/driver', IMAGE, 'ERROR: Best effort publisher')],
            'the QoS of /driver does not match (ERROR: Best effort publisher)',
            'set reliability to best_effort',
        ),
    ],
)
def test_a_topic_that_cannot_reach_us_is_an_error_with_its_cause_and_cure(
    health: SensorStatus, sources: list[Source], cause: str, cure: str
) -> None:
    status = sensor_status(DEPTH, health, Inlet('/depth', IMAGE, sources))
    assert status.level is Level.ERROR
    assert status.message.startswith('/depth: ')
    assert cause in status.message
    assert cure in status.message


def test_one_publisher_that_fits_is_enough() -> None:
    sources = [Source('/other', 'sensor_msgs/msg/CompressedImage'), Source('/driver', IMAGE)]
    assert Inlet('/depth', IMAGE, sources).heard
    assert sensor_status(DEPTH, WELL, Inlet('/depth', IMAGE, sources)).level is Level.OK


def test_a_publisher_from_whom_nothing_came_yet_is_a_warning_that_points_at_the_profile() -> None:
    status = sensor_status(DEPTH, NEVER, HEARD)
    assert status.level is Level.WARN
    assert '/driver' in status.message
    assert FASTDDS_HINT in status.message
    assert status.values['age_s'] == 'never'


@pytest.mark.parametrize('health', [NEVER, SILENT])
def test_publisher_that_cannot_reach_us_is_named_though_a_dead_one_that_could_is_listed_still(
    health: SensorStatus,
) -> None:
    sources = [Source('/dead', IMAGE), Source('/driver', IMAGE, 'ERROR: Best effort publisher')]
    status = sensor_status(DEPTH, health, Inlet('/depth', IMAGE, sources))
    assert status.level is Level.ERROR
    assert 'the QoS of /driver does not match' in status.message
    assert status.message.endswith('set reliability to best_effort; /dead sends nothing')


def test_a_sensor_that_falls_silent_is_an_error_that_asks_for_the_plug() -> None:
    status = sensor_status(DEPTH, SILENT, HEARD)
    assert status.level is Level.ERROR
    assert status.message == (
        '/depth: silent for 0.30 s, though /driver publishes it; is the camera still plugged in?'
    )


def test_a_picture_that_shows_nothing_is_an_error_with_healths_reason() -> None:
    status = sensor_status(RGB, BLACK, HEARD)
    assert (status.level, status.message) == (Level.ERROR, f'/depth: {BLACK.reason}')


def test_a_message_that_cannot_be_read_is_the_reason_given() -> None:
    trouble = "depth image of frame 'c' (encoding 'yuv422'): not a depth encoding"
    lost = sensor_status(DEPTH, SILENT, HEARD, trouble=trouble)
    way_out = 'check the camera and its driver'
    assert (lost.level, lost.message) == (Level.ERROR, f'/depth: {trouble}; {way_out}')
    once = sensor_status(DEPTH, WELL, HEARD, trouble=trouble)
    assert (once.level, once.message) == (Level.WARN, trouble)


@pytest.mark.parametrize(
    ('rate', 'level'), [(2.9, Level.WARN), (11.9, Level.WARN), (12.1, Level.OK), (15.0, Level.OK)]
)
def test_a_rate_far_under_the_others_points_at_the_profile(rate: float, level: Level) -> None:
    status = sensor_status(DEPTH, SensorStatus('ok', '', rate, 0.1), HEARD, other=WELL)
    assert status.level is level
    assert (FASTDDS_HINT in status.message) == (level is Level.WARN)


def test_the_faster_of_two_streams_is_not_blamed() -> None:
    slow = SensorStatus('ok', '3.0 Hz', 3.0, 0.1)
    assert sensor_status(RGB, WELL, HEARD, other=slow).level is Level.OK


def test_depth_that_is_not_registered_is_told_with_the_way_out() -> None:
    told = unregistered('depth is in the frame a, colour in b')
    assert told.startswith('not registered to colour: depth is in the frame a, colour in b; ')
    assert 'turn on depth registration' in told


def test_stamps_that_never_come_together_are_told_with_the_parameter_to_raise() -> None:
    assert '0.200 s' in never_pairs(0.2)
    assert 'raise slop' in never_pairs(0.2)


def test_a_node_that_is_not_active_is_well() -> None:
    status = unsubscribed_status(RGB, 'inactive')
    assert (status.level, status.message) == (Level.OK, 'not subscribed: the node is inactive')
    assert model_status('unconfigured', '/m', 0, None, None).level is Level.OK
    assert device_status(None, '', None).level is Level.OK
    for nothing_yet in (latency_status([], 0.0, 0), objects_status(None), trust_status([])):
        assert nothing_yet.level is Level.OK


def test_the_model_says_what_it_is_or_why_there_is_none() -> None:
    assert model_status('active', '/m', 3, None, None).level is Level.OK
    why = '/m: no such bundle folder; `train fit` makes one'
    refused = model_status('unconfigured', '/m', 0, why, None)
    assert (refused.level, refused.message) == (Level.ERROR, why)
    refused = model_status('unconfigured', '/m', 0, '/m: cannot be read', None)
    assert refused.message == '/m: cannot be read; put that right, then configure again'
    refused = model_status('inactive', '/m', 3, 'the GPU is busy', None)
    assert refused.message == 'the GPU is busy; put that right, then activate again'


def test_no_object_or_a_slow_machine_is_a_warning_and_a_failed_inference_an_error() -> None:
    nothing = model_status('active', '/m', 3, None, ImageError('depth: no valid pixel'))
    assert (nothing.level, nothing.message) == (Level.WARN, 'no label: depth: no valid pixel')
    late = model_status('active', '/m', 3, None, StaleError('too old; raise grace'))
    assert (late.level, late.message) == (Level.WARN, 'no label: too old; raise grace')
    failed = model_status('active', '/m', 3, None, RuntimeError('CUDA error'))
    assert failed.level is Level.ERROR
    assert 'RuntimeError: CUDA error; deactivate and activate' in failed.message


def test_a_fallback_from_the_gpu_is_an_error_with_its_cause() -> None:
    assert device_status('cuda', 'torch float32', None).level is Level.OK
    why = 'out of GPU memory: running on the CPU; free the GPU'
    fallen = device_status('cpu', 'openvino int8', why)
    assert (fallen.level, fallen.values['device']) == (Level.ERROR, 'cpu')
    assert fallen.values['engine'] == 'openvino int8'
    assert 'free the GPU' in fallen.message


def test_latency_is_the_median_of_recent_labels() -> None:
    status = latency_status([(30.0, 20.0), (10.0, 5.0), (90.0, 7.0)], 0.0, 4)
    assert (status.level, status.message) == (Level.OK, '30.0 ms')
    assert status.values == {
        'replaced_observations': '4',
        'latency_p50_ms': '30.0',
        'latency_max_ms': '90.0',
        'inference_p50_ms': '7.0',
    }


def test_an_inference_that_hangs_is_an_error_that_says_what_to_do() -> None:
    status = latency_status([(30.0, 20.0)], 12.0, 0)
    assert status.level is Level.ERROR
    assert 'has taken 12 s so far' in status.message
    assert status.message.endswith('restart the node')


def said(label: str = 'mug', novelty: float | None = 0.5, apart: float | None = 0.4) -> Prediction:
    return Prediction(1, 'rgbd', label, {'mug': 1.0}, novelty, apart)


def test_eyes_that_disagree_in_most_of_the_last_labels_are_a_warning_that_says_where_to_look() -> (
    None
):
    status = trust_status([said(apart=3.0)] * 6 + [said()] * 4)
    assert status.level is Level.WARN
    assert status.message.startswith('the two sensors disagree')
    assert 'calibration' in status.message


def test_single_frames_on_which_the_eyes_disagree_are_no_warning() -> None:
    assert trust_status([said(apart=9.0)] * 4 + [said()] * 6).level is Level.OK
    assert trust_status([said(apart=9.0)] * 3).level is Level.OK  # too few to tell
    assert trust_status([said(apart=None)] * 10).level is Level.OK  # one sensor


def test_trust_counts_what_is_unknown() -> None:
    status = trust_status([said('unknown', 2.0)] * 3 + [said()] * 7)
    assert status.level is Level.OK
    assert status.values == {'unknown': '3 of 10', 'novelty': '0.50', 'contradiction': '0.40'}


def test_trust_of_a_bundle_that_cannot_tell_says_so() -> None:
    assert 'cannot tell' in trust_status([said(novelty=None, apart=None)]).message
