# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The real node keeps what it is unsure of, and training reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from outside import DEPTH, NODE, RGB, Camera, Outside, ask, until
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool

from training.recordings.bags import find_recordings


def test_unsure_frames_become_bags_that_training_reads_pixel_by_pixel(
    outside: Outside, tmp_path: Path
) -> None:
    service = outside.node.create_client(SetBool, f'{NODE}/save_uncertain')
    missing = str(tmp_path / 'no' / 'such')
    assert outside.set(uncertain_folder=missing)[0]
    assert not outside.transit('configure')
    refused = outside.report('model', lambda s: s.level == b'\2', 'ERROR')
    assert f'parameter uncertain_folder: {missing}: No such file' in refused.message

    answer = ask(service, SetBool.Request(data=True))
    assert not answer.success
    assert 'uncertain_folder' in answer.message

    # No probability is below 1 for ever: the bundle is not trained. The gaps are longer than those
    # after which a sensor counts as lost.
    sure = {'uncertain_folder': '', 'uncertain_below': 0.7, 'uncertain_pause': 1.0}
    unsure = {'uncertain_folder': str(tmp_path / 'kept'), 'uncertain_below': 1.0}
    assert outside.set(**unsure, uncertain_pause=0.4)[0]
    outside.bring_to('active')
    camera = Camera(outside.publish)
    try:
        outside.infos[RGB].publish(CameraInfo(width=160, height=120, k=[150.0] * 9))
        until(lambda: kept(outside) >= 5, 'five frames')
        assert ask(service, SetBool.Request(data=False)).success
        until(lambda: list((tmp_path / 'kept').glob('uncertain_*')), 'the bag')
    finally:
        camera.stop()
        outside.bring_to('unconfigured')
        assert outside.set(**sure)[0]
        outside.node.destroy_client(service)

    (recording,) = find_recordings([tmp_path / 'kept'])
    assert set(recording.topics) >= {'/robot/rgb/image', '/robot/depth/image'}
    seen = list(recording.observations())
    assert len(seen) >= 5
    assert {observation.mode for observation in seen} == {'rgbd'}
    for observation in seen:
        number = camera.sent[RGB].index(observation.stamp)
        for modality, scale in ((RGB, 1), (DEPTH, np.float32(1000))):
            sent = np.roll(camera._scene[modality], number, axis=1)
            frame = observation.frames[modality]
            assert frame.stamp == observation.stamp
            assert frame.frame_id == 'eye'
            np.testing.assert_array_equal(frame.image, sent / scale if scale != 1 else sent)
    assert seen[-1].frames[RGB].camera is not None


def kept(outside: Outside) -> int:
    _, statuses = outside.reports[-1]
    values = {pair.key: pair.value for pair in statuses['uncertain'].values}
    return int(values['kept'])
