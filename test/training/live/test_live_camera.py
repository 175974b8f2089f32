# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Each topic of a recording is known to come from one of the camera's eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import playable
import pytest

from mm_perception.errors import RecordingError
from mm_perception.observation import Modality
from training.live.camera import Camera, open_recording

if TYPE_CHECKING:
    from pathlib import Path

RGB, DEPTH = Modality.RGB, Modality.DEPTH


def test_images_and_camera_infos_are_told_apart(tmp_path: Path) -> None:
    camera = Camera.of(open_recording(playable.write_playable(tmp_path / 'mug_1', 0.2)))
    assert camera.images == {RGB: playable.RGB, DEPTH: playable.DEPTH}
    assert camera.infos == {RGB: playable.INFOS[0], DEPTH: playable.INFOS[1]}
    assert camera.senders == {
        playable.RGB: RGB,
        playable.DEPTH: DEPTH,
        playable.INFOS[0]: RGB,
        playable.INFOS[1]: DEPTH,
    }


@pytest.mark.parametrize(
    ('image', 'depth', 'info', 'sender'),
    [
        ('/kinect/image_raw', '/kinect/depth/image_raw', '/kinect/camera_info', RGB),
        ('/kinect/image_raw', '/kinect/depth/image_raw', '/kinect/depth/camera_info', DEPTH),
        ('/k/rgb/image', '/k/depth/image', '/k/camera_info', None),  # about both
        ('/rgb', '/depth', '/camera_info', None),
    ],
)
def test_camera_info_is_about_the_images_beside_it(
    tmp_path: Path, image: str, depth: str, info: str, sender: Modality | None
) -> None:
    names = {playable.RGB: image, playable.DEPTH: depth, playable.INFOS[0]: info}
    recording = open_recording(playable.write_playable(tmp_path / 'mug_1', 0.2, renamed=names))
    assert Camera.of(recording).senders.get(info) is sender


def test_named_topic_that_is_not_there_is_refused(tmp_path: Path) -> None:
    recording = open_recording(playable.write_playable(tmp_path / 'mug_1', 0.2))
    with pytest.raises(RecordingError, match='no images on /other'):
        Camera.of(recording, depth_topic='/other')


def test_real_ros1_camera_is_understood(shared_data: Path) -> None:
    camera = Camera.of(open_recording(shared_data / 'bags'))
    assert camera.images == {
        RGB: '/device_0/sensor_1/Color_0/image/data',
        DEPTH: '/device_0/sensor_0/Depth_0/image/data',
    }
    assert camera.infos == {
        RGB: '/device_0/sensor_1/Color_0/info/camera_info',
        DEPTH: '/device_0/sensor_0/Depth_0/info/camera_info',
    }


def test_folder_of_several_recordings_is_refused(tmp_path: Path) -> None:
    playable.write_playable(tmp_path / 'one', 0.1)
    playable.write_playable(tmp_path / 'two', 0.1)
    with pytest.raises(RecordingError, match=r'holds 2 recordings; name one, such as .*one'):
        open_recording(tmp_path)
