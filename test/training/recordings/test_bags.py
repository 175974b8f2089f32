# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of every format and in every state give what the robot would have seen."""

from __future__ import annotations

import logging
import shutil
import tracemalloc
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import recorder
from recorder import DEPTH_TOPIC, FORMATS, PERIOD, RGB_TOPIC, START, record, rgbd

from mm_perception.errors import RecordingError, SettingsError
from mm_perception.observation import Modality, Observation
from training.recordings.bags import Recording, find_recordings

if TYPE_CHECKING:
    from pathlib import Path

RGB, DEPTH = Modality.RGB, Modality.DEPTH


def only(path: Path) -> Recording:
    (recording,) = find_recordings([path])
    return recording


def assert_is_frame(observation: Observation, index: int) -> None:
    """Whether it shows the index-th pair of `recorder.rgbd`."""
    rgb, depth = observation.frames[RGB], observation.frames[DEPTH]
    stamp = START + index * PERIOD - 20_000_000
    assert (rgb.stamp, depth.stamp) == (stamp, stamp + 3_000_000)
    np.testing.assert_array_equal(rgb.image, recorder.colours(index))
    millimetres = recorder.distances(index)
    np.testing.assert_array_equal(np.isnan(depth.image), millimetres == 0)
    np.testing.assert_allclose(  # float32 of millimetres: half a unit in the last place
        depth.image[millimetres > 0] * 1000, millimetres[millimetres > 0], rtol=1e-6
    )


@pytest.mark.parametrize('kind', FORMATS)
def test_every_format_gives_the_same_observations(tmp_path: Path, kind: str) -> None:
    recording = only(record(tmp_path / 'mug_1', rgbd(6), kind))
    assert (recording.name, recording.start) == ('mug_1', START)
    assert recording.end == START + 5 * PERIOD + 5_000_000
    assert {n: (t.msgtype, t.count) for n, t in recording.topics.items()} == {
        RGB_TOPIC: ('sensor_msgs/msg/Image', 6),
        DEPTH_TOPIC: ('sensor_msgs/msg/Image', 6),
    }
    observations = list(recording.observations())
    assert len(observations) == 6
    for index, observation in enumerate(observations):
        assert_is_frame(observation, index)


def test_real_realsense_recording_is_read(
    shared_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = only(shared_data / 'bags')
    assert recording.name == 'single_depth_color_640x480'
    (observation,) = recording.observations(slop=0.12)  # its stamps lie 0.10 and 0.27 s apart
    assert observation.mode == 'rgbd'
    assert observation.stamp == 360_815_089_000
    rgb, depth = (observation.frames[m].image for m in (RGB, DEPTH))
    assert (rgb.shape, rgb.dtype) == ((480, 640, 3), np.uint8)
    assert (depth.shape, depth.dtype) == ((480, 640), np.float32)
    assert 0.2 < np.nanmedian(depth) < 5  # a room, in metres
    assert 'not registered' in caplog.text  # its depth has its own lens
    caplog.clear()
    assert not list(recording.observations())
    assert 'not one observation' in caplog.text


def test_reading_never_writes_into_the_users_folder(tmp_path: Path) -> None:
    for kind in FORMATS:
        record(tmp_path / 'bags' / kind.replace(' ', '_'), rgbd(2), kind)
    killed = record(tmp_path / 'bags' / 'killed', rgbd(8), 'mcap') / 'killed.mcap'
    killed.write_bytes(killed.read_bytes()[:-100])
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in tmp_path.rglob('*')}
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for recording in find_recordings([tmp_path]):
        list(recording.observations())
    after = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in tmp_path.rglob('*')}
    assert after == before
    for path in before:
        path.chmod(0o755)


def test_single_of_a_lost_sensor_goes_out_as_on_the_robot(tmp_path: Path) -> None:
    said = rgbd(30)
    silent = START + 10 * PERIOD, START + 20 * PERIOD
    said = [s for s in said if s.topic == RGB_TOPIC or not silent[0] <= s.time < silent[1]]
    observations = list(only(record(tmp_path / 'mug_1', said)).received_observations())
    modes = [observation.mode for _, observation in observations]
    assert modes[:10] == ['rgbd'] * 10
    assert modes[-10:] == ['rgbd'] * 10
    assert set(modes[10:-10]) == {'rgb'}
    last_depth = START + 9 * PERIOD + 5_000_000
    first_alone, single = observations[10]
    # The label may not wait longer than two frame periods and health's grace of 20 ms.
    assert first_alone <= last_depth + 2 * PERIOD + 20_000_000
    assert single.frames[RGB].stamp >= last_depth


@pytest.mark.parametrize('first', [RGB_TOPIC, DEPTH_TOPIC])
def test_moments_with_gaps_in_between_are_pairs_each_seen_once(tmp_path: Path, first: str) -> None:
    moments = (0, 10, 20, 25, 400, 401, 9000)  # periods
    said = []
    for index, moment in enumerate(moments):
        pair = rgbd(index + 1, start=START + (moment - index) * PERIOD)[-2:]
        said += pair if first == RGB_TOPIC else pair[::-1]
    if first == DEPTH_TOPIC:
        for one in said:
            one.time += 10_000_000 if one.topic == RGB_TOPIC else 0
    received = list(only(record(tmp_path / 'odd', said)).received_observations())
    assert [observation.mode for _, observation in received] == ['rgbd'] * len(moments)


def test_received_time_is_the_newest_frames(tmp_path: Path) -> None:
    recording = only(record(tmp_path / 'mug_1', rgbd(5)))
    times = [time for time, _ in recording.received_observations()]
    assert times == [START + index * PERIOD + 5_000_000 for index in range(5)]


def test_stamp_zero_is_replaced_by_the_time_of_receipt(tmp_path: Path) -> None:
    said = rgbd(4)
    for one in said:
        one.stamp = 0 if one.topic == RGB_TOPIC else one.stamp
    observations = list(only(record(tmp_path / 'kinect', said)).observations())
    assert [o.mode for o in observations] == ['rgbd'] * 4
    assert observations[0].frames[RGB].stamp == START


def test_every_takes_each_nth_observation(tmp_path: Path) -> None:
    recording = only(record(tmp_path / 'mug_1', rgbd(10)))
    every_third = list(recording.observations(every=3))
    assert len(every_third) == 4
    for observation, index in zip(every_third, (0, 3, 6, 9), strict=True):
        assert_is_frame(observation, index)
    with pytest.raises(SettingsError, match='every: 0 is not allowed'):
        list(recording.observations(every=0))


def test_bag_without_depth_is_an_error_unless_rgb_alone_is_wanted(tmp_path: Path) -> None:
    said = [one for one in rgbd(3) if one.topic == RGB_TOPIC]
    recording = only(record(tmp_path / 'mug_1', said))
    with pytest.raises(RecordingError, match=r'mug_1: no depth images; image topics: /camera/rgb'):
        list(recording.observations())
    alone = list(recording.observations(modalities=[RGB]))
    assert [o.mode for o in alone] == ['rgb'] * 3


def test_bag_without_images_names_its_topics(tmp_path: Path) -> None:
    recording = only(record(tmp_path / 'mug_1', [recorder.text('/label', START, 'mug')]))
    with pytest.raises(RecordingError, match=r'mug_1: no images; topics: /label'):
        list(recording.observations())


@pytest.mark.parametrize(
    ('fields', 'cause'),
    [({'encoding': 'rgb12'}, 'rgb12'), ({'step': 7}, 'step is 7'), ({'height': 900}, '900 rows')],
)
def test_unusable_image_is_one_line_with_file_topic_and_cause(
    tmp_path: Path, fields: dict[str, object], cause: str
) -> None:
    said = rgbd(3)
    said[4].fields.update(fields)
    recording = only(record(tmp_path / 'mug_1', said))
    with pytest.raises(RecordingError) as caught:
        list(recording.observations())
    message = str(caught.value)
    assert message.startswith(f'{tmp_path / "mug_1"}: {RGB_TOPIC} at 0.200 s: ')
    assert cause in message
    assert '\n' not in message


def test_compressed_topics_are_read(tmp_path: Path) -> None:
    said = []
    for index in range(3):
        time = START + index * PERIOD
        bgr = recorder.colours(index)[:, :, ::-1]
        rgb_format = 'rgb8; png compressed bgr8'
        depth = bytes(12) + recorder.png(recorder.distances(index))
        said += [
            recorder.compressed('/rgb/compressed', time, recorder.png(bgr), rgb_format),
            recorder.compressed(
                '/depth/compressedDepth', time, depth, '16UC1; compressedDepth png'
            ),
        ]
    observations = list(only(record(tmp_path / 'mug_1', said, 'mcap')).observations())
    assert len(observations) == 3
    np.testing.assert_array_equal(observations[2].frames[RGB].image, recorder.colours(2))
    np.testing.assert_array_equal(
        np.nan_to_num(observations[2].frames[DEPTH].image * 1000).round(), recorder.distances(2)
    )


def test_jpeg_and_bare_png_formats_tell_depth_by_the_file(tmp_path: Path) -> None:
    jpeg = cv2.imencode('.jpg', recorder.colours(0))[1].tobytes()
    said = [
        recorder.compressed('/a/compressed', START, jpeg, 'jpeg'),
        recorder.compressed('/b/compressed', START, recorder.png(recorder.distances(0)), 'png'),
    ]
    (observation,) = only(record(tmp_path / 'mug_1', said)).observations()
    assert observation.mode == 'rgbd'


def test_topics_named_by_the_user_win(tmp_path: Path) -> None:
    said = rgbd(3) + rgbd(3, '/other/rgb', '/other/depth_registered')
    recording = only(record(tmp_path / 'mug_1', sorted(said, key=lambda one: one.time)))
    with pytest.raises(
        RecordingError, match=r'more than one topic holds rgb images: .*--rgb-topic'
    ):
        list(recording.observations())
    named = {'rgb_topic': RGB_TOPIC, 'depth_topic': '/other/depth_registered'}
    assert len(list(recording.observations(**named))) == 3
    with pytest.raises(RecordingError, match=r'no images on /nowhere \(--depth-topic\)'):
        list(recording.observations(rgb_topic=RGB_TOPIC, depth_topic='/nowhere'))
    with pytest.raises(RecordingError, match='one topic is named for both'):
        list(recording.observations(rgb_topic=RGB_TOPIC, depth_topic=RGB_TOPIC))


def test_sensors_whose_stamps_never_meet_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said = rgbd(20)
    for one in said:
        one.stamp = one.stamp + 10**9 if one.topic == RGB_TOPIC else one.stamp
    modes = {o.mode for o in only(record(tmp_path / 'mug_1', said)).observations()}
    assert modes == {'rgb'}
    assert 'no RGB and depth stamps within a slop of 0.05 s' in caplog.text


def test_frames_know_their_camera_where_it_was_recorded(tmp_path: Path) -> None:
    infos = [
        recorder.camera_info('/camera/rgb/camera_info', START, 50.0),
        recorder.camera_info('/camera/depth_registered/camera_info', START, 60.0),
    ]
    (seen,) = only(record(tmp_path / 'known', [*infos, *rgbd(1)])).observations()
    focal = {m: frame.camera and frame.camera.k[0] for m, frame in seen.frames.items()}
    assert focal == {RGB: 50.0, DEPTH: 60.0}
    (seen,) = only(record(tmp_path / 'unknown', rgbd(1))).observations()
    assert [frame.camera for frame in seen.frames.values()] == [None, None]


def test_strings_are_read_with_their_receive_time(tmp_path: Path) -> None:
    said = [recorder.text('/label', START + i, word) for i, word in enumerate(('mug', '', 'é'))]
    for kind in ('mcap', 'ros1'):
        recording = only(record(tmp_path / kind, said, kind))
        assert recording.strings('/label') == [(START, 'mug'), (START + 1, ''), (START + 2, 'é')]
        with pytest.raises(RecordingError, match=r'no std_msgs/String on /lable; .*: /label'):
            recording.strings('/lable')


def test_names_are_unique_and_qualified_only_where_they_must_be(tmp_path: Path) -> None:
    for path in ('monday/run_1', 'tuesday/run_1', 'tuesday/run_2'):
        record(tmp_path / path, rgbd(1))
    record(tmp_path / 'apple', rgbd(1), 'ros1')
    names = [recording.name for recording in find_recordings([tmp_path])]
    assert names == ['apple', 'monday/run_1', 'run_2', 'tuesday/run_1']
    one_twice = find_recordings([tmp_path / 'tuesday', tmp_path / 'tuesday/run_2'])
    assert [recording.name for recording in one_twice] == ['run_1', 'run_2']
    shutil.copytree(tmp_path / 'monday', tmp_path / 'copy' / 'monday')
    with pytest.raises(RecordingError, match='has the same name; rename one'):
        find_recordings([tmp_path])


def test_recording_without_messages_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match='mug_1: it holds no message'):
        only(record(tmp_path / 'mug_1', [], 'mcap'))


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_memory_stays_flat_however_long_the_recording(tmp_path: Path, kind: str) -> None:
    said = rgbd(60)
    for one in said:
        pixels = recorder.colours(0) if one.topic == RGB_TOPIC else recorder.distances(0)
        height, width = pixels.shape[0] * 10, pixels.shape[1] * 10
        # Rolled, so that no two are equal: health would call the camera frozen.
        rolled = np.roll(np.tile(one.fields['data'], 100), one.time // PERIOD)
        one.fields |= {'height': height, 'width': width, 'data': rolled}
        one.fields['step'] *= 10
    recording = only(record(tmp_path / 'mug_1', said, kind))
    total = sum(one.fields['data'].nbytes for one in said)
    tracemalloc.start()
    try:
        assert sum(1 for _ in recording.observations()) == 60
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The pairing keeps eight frames a sensor, as float32; and an MCAP or ROS 1 chunk is held.
    assert peak < total / 2


def test_split_recording_is_read_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / 'mug_1'
    folder.mkdir()
    said = rgbd(9)
    for part in range(3):
        one = record(tmp_path / f'part_{part}', said[part * 6 : part * 6 + 6], 'mcap')
        shutil.copy(recorder.storage_file(one), folder / f'rosbag2_2024_01_01-10_00_00_{part}.mcap')
    with caplog.at_level(logging.WARNING):
        recording = only(folder)
    assert (recording.name, recording.topics[RGB_TOPIC].count) == ('mug_1', 9)
    for index, observation in enumerate(recording.observations()):
        assert_is_frame(observation, index)
    assert not caplog.records
