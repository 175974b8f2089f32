# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from mm_perception.errors import SettingsError
from mm_perception.interface.cameras import INPUTS, load_camera, load_cameras

PRESETS = Path(__file__).parents[2] / 'config' / 'cameras'


@pytest.mark.parametrize('preset', sorted(PRESETS.glob('*.yaml')), ids=lambda path: path.stem)
def test_every_preset_gives_an_absolute_topic_to_every_input(preset: Path) -> None:
    camera = load_camera(preset.stem, PRESETS)
    assert set(camera.remappings) == set(INPUTS)
    assert all(topic.startswith('/') for topic in camera.remappings.values())
    images = camera.remappings['rgb/image'], camera.remappings['depth/image']
    assert len(set(images)) == 2


@pytest.mark.parametrize(
    ('name', 'colour', 'depth'),
    [
        ('kinect_ros2', '/kinect/image_raw', '/kinect/depth/image_raw'),
        ('kinect2_ros2', '/kinect2/qhd/image_color_rect', '/kinect2/qhd/image_depth_rect'),
        ('openni2', '/camera/rgb/image_raw', '/camera/depth_registered/image_raw'),
        ('azure_kinect', '/rgb/image_raw', '/depth_to_rgb/image_raw'),
        ('orbbec_femto', '/camera/color/image_raw', '/camera/depth/image_raw'),
        (
            'realsense',
            '/camera/camera/color/image_raw',
            '/camera/camera/aligned_depth_to_color/image_raw',
        ),
        ('simulated', '/camera/rgb/image_raw', '/camera/depth_registered/image_raw'),
    ],
)
def test_a_preset_has_its_drivers_topics(name: str, colour: str, depth: str) -> None:
    camera = load_camera(name, PRESETS)
    assert (camera.remappings['rgb/image'], camera.remappings['depth/image']) == (colour, depth)


def test_an_unknown_preset_is_answered_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match=r'^camera kinect3: no such preset; use azure_kinect, '):
        load_camera('kinect3', PRESETS)


@pytest.mark.parametrize('name', ['mine.yaml', 'mine.yml', 'mine'])
def test_a_preset_of_ones_own_is_given_by_its_path(tmp_path: Path, name: str) -> None:
    own = tmp_path / name
    own.write_text('remappings: {rgb/image: /eye}\nparameters: {slop: 1}\n')
    camera = load_camera(str(own), PRESETS)
    assert camera.remappings == {'rgb/image': '/eye'}
    assert camera.parameters == {'slop': 1.0}


def test_a_suffix_makes_a_path_of_a_bare_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('mine.yml').write_text('remappings: {rgb/image: /eye}\nparameters: {}\n')
    assert load_camera('mine.yml', PRESETS).remappings == {'rgb/image': '/eye'}


def test_a_file_that_cannot_be_read_is_refused_with_its_own_reason(tmp_path: Path) -> None:
    missing = tmp_path / 'nothing.yml'
    with pytest.raises(SettingsError) as refusal:
        load_camera(str(missing), PRESETS)
    assert str(refusal.value) == f'camera {missing}: No such file or directory'
    with pytest.raises(SettingsError) as refusal:
        load_camera(str(tmp_path), PRESETS)
    assert str(refusal.value) == f'camera {tmp_path}: Is a directory'


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('remappings: [', 'not YAML'),
        ('- a list', 'not a camera preset'),
        ('remappings: {}', 'not a camera preset'),
        ('{remappings: {}, parameters: {}, more: 1}', 'not a camera preset'),
        (
            '{remappings: {rgb/picture: /eye}, parameters: {}}',
            '`remappings` gives topics to rgb/im',
        ),
        ('{remappings: {rgb/image: 3}, parameters: {}}', '`remappings` gives topics to rgb/image'),
        ('{remappings: {rgb/image: ""}, parameters: {}}', '`remappings` gives topics to rgb/image'),
        ('{remappings: {}, parameters: 3}', '`parameters` gives values'),
        ('{remappings: {}, parameters: {slop: far}}', "parameter slop: 'far' is refused"),
        ('{remappings: {}, parameters: {slopp: 1}}', 'parameter slopp: there is no such'),
        ('{remappings: {}, parameters: {3: 1}}', 'parameter 3: there is no such'),
    ],
)
def test_a_file_that_is_no_preset_is_refused_in_one_line(
    tmp_path: Path, text: str, why: str
) -> None:
    own = tmp_path / 'mine.yaml'
    own.write_text(text)
    with pytest.raises(SettingsError) as refusal:
        load_camera(str(own), PRESETS)
    assert str(refusal.value).startswith(f'{own}: ')
    assert why in str(refusal.value)
    assert '\n' not in str(refusal.value)


def test_drivers_of_several_cameras_with_one_preset_are_in_the_cameras_namespaces() -> None:
    cameras = load_cameras('realsense', ['/robot/front', '/robot/left'], PRESETS)
    assert len(cameras.remappings) == 2 * len(INPUTS)
    for name in ('front', 'left'):
        eye = f'/robot/{name}/camera/camera'
        assert cameras.remappings[f'/robot/{name}/rgb/image'] == f'{eye}/color/image_raw'
    assert load_cameras('kinect_ros2', ['/a', '/b'], PRESETS).parameters == {'slop': 0.1}


def test_several_cameras_with_a_preset_each_are_where_it_says() -> None:
    cameras = load_cameras('realsense,openni2', ['/front', '/left'], PRESETS)
    assert cameras.remappings['/front/rgb/image'] == '/camera/camera/color/image_raw'
    assert cameras.remappings['/left/rgb/image'] == '/camera/rgb/image_raw'
    assert load_cameras('', ['/front', '/left'], PRESETS).remappings == {}


@pytest.mark.parametrize(
    ('names', 'why'),
    [
        ('realsense,openni2', '2 presets for 3 cameras; give one for all, or one each'),
        ('openni2,openni2,realsense', 'two cameras on /camera/rgb/image_raw'),
        ('openni2,kinect_ros2,realsense', 'want different parameters; give them in params_file'),
        ('openni2,,realsense', 'no such preset'),
    ],
)
def test_presets_that_do_not_fit_the_cameras_are_refused(names: str, why: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_cameras(names, ['/front', '/left', '/back'], PRESETS)
    assert why in str(refusal.value)
    assert '\n' not in str(refusal.value)
