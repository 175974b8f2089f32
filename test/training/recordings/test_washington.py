# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The Washington RGB-D Object Dataset is read as published, and its damage is named."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from mm_perception.errors import RecordingError, SettingsError
from mm_perception.observation import Modality
from training.recordings.washington import find_crops, read_trials

if TYPE_CHECKING:
    from pathlib import Path

RGB, DEPTH = Modality.RGB, Modality.DEPTH


def write_crop(root: Path, instance: str, sequence: int, frame: int) -> Path:
    """A crop whose pixels tell its frame number."""
    folder = root / instance.rpartition('_')[0] / instance
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f'{instance}_{sequence}_{frame}'
    bgr = np.full((6, 8, 3), (30, 20, 10), np.uint8)
    depth = np.full((6, 8), 500 + frame, np.uint16)
    depth[0] = 0
    cv2.imwrite(f'{stem}_crop.png', bgr)
    cv2.imwrite(f'{stem}_depthcrop.png', depth)
    cv2.imwrite(f'{stem}_maskcrop.png', np.full((6, 8), 255, np.uint8))
    (folder / f'{stem.name}_loc.txt').write_text('1,1')
    return folder / f'{stem.name}_crop.png'


def test_crop_is_an_observation_in_the_nouns_units(tmp_path: Path) -> None:
    write_crop(tmp_path, 'coffee_mug_3', 2, 7)
    (crop,) = find_crops(tmp_path)
    assert (crop.category, crop.instance, crop.sequence, crop.frame) == (
        'coffee_mug',
        'coffee_mug_3',
        2,
        7,
    )
    observation = crop.observation()
    assert observation.mode == 'rgbd'
    rgb, depth = observation.frames[RGB], observation.frames[DEPTH]
    assert rgb.frame_id == 'coffee_mug_3_2_7_crop'
    assert (rgb.image.dtype, rgb.image[0, 0].tolist()) == (np.uint8, [10, 20, 30])
    assert depth.image.dtype == np.float32
    assert np.isnan(depth.image[0]).all()
    assert (depth.image[1:] == np.float32(0.507)).all()


def test_real_crops_are_read(shared_data: Path) -> None:
    crops = find_crops(shared_data / 'uw_rgbd', every=50)
    instances = sorted({crop.instance for crop in crops})
    assert instances == ['apple_1', 'apple_2', 'apple_3', 'apple_4', 'ball_1', 'ball_2', 'bowl_1',
                         'cap_1', 'coffee_mug_1', 'soda_can_1']  # fmt: skip
    for crop in crops:
        observation = crop.observation()
        rgb, depth = observation.frames[RGB].image, observation.frames[DEPTH].image
        assert rgb.shape[:2] == depth.shape
        assert 0.4 < np.nanmedian(depth) < 2.5  # a turntable or a table, in metres


def test_real_instances_hold_every_second_or_third_frame(shared_data: Path) -> None:
    counts = Counter(crop.instance for crop in find_crops(shared_data / 'uw_rgbd'))
    assert counts['apple_1'] == 304
    assert counts['bowl_1'] == 286
    every_fifth = Counter(c.instance for c in find_crops(shared_data / 'uw_rgbd', every=5))
    # One of five frame numbers, though the files hold every second or third only.
    assert 304 * 2 / 5 - 3 <= every_fifth['apple_1'] <= 304 * 2 / 5 + 3


def test_every_fifth_frame_is_the_published_evaluation_set(tmp_path: Path) -> None:
    for sequence in (1, 2):
        for frame in range(1, 18):
            write_crop(tmp_path, 'apple_1', sequence, frame)
    frames = [(crop.sequence, crop.frame) for crop in find_crops(tmp_path, every=5)]
    assert frames == [(s, f) for s in (1, 2) for f in (1, 6, 11, 16)]
    write_crop(tmp_path, 'ball_1', 1, 2)  # frame 1 was lost: its group is still there once
    write_crop(tmp_path, 'ball_1', 1, 5)
    frames = [crop.frame for crop in find_crops(tmp_path, every=5) if crop.category == 'ball']
    assert frames == [2]
    with pytest.raises(SettingsError, match='every: 0'):
        find_crops(tmp_path, every=0)


def test_crops_come_in_the_order_of_the_videos(tmp_path: Path) -> None:
    for instance, sequence, frame in [('b_10', 1, 1), ('b_2', 2, 1), ('b_2', 1, 10), ('b_2', 1, 9)]:
        write_crop(tmp_path, instance, sequence, frame)
    crops = find_crops(tmp_path)
    assert [(c.instance, c.sequence, c.frame) for c in crops] == [
        ('b_2', 1, 9),
        ('b_2', 1, 10),
        ('b_2', 2, 1),
        ('b_10', 1, 1),
    ]
    stamps = [crop.observation().stamp for crop in crops[:3]]
    assert stamps == sorted(set(stamps))


def test_wrong_layout_names_the_folder_to_give(tmp_path: Path) -> None:
    root = tmp_path / 'rgbd-dataset'
    write_crop(root, 'apple_1', 1, 1)
    for given, hint in [
        (tmp_path, f'give {root}'),
        (root / 'apple', f'give {root}'),
        (root / 'apple' / 'apple_1', 'unpack rgbd-dataset_'),
    ]:
        with pytest.raises(RecordingError) as caught:
            find_crops(given)
        assert str(caught.value).startswith(f'{given}: no folders CATEGORY/CATEGORY_<number>')
        assert str(caught.value).endswith((hint, hint + '*.tar of the data set there'))
    with pytest.raises(RecordingError, match='there is no such folder'):
        find_crops(tmp_path / 'nowhere')


def test_instance_folders_without_crops_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'apple' / 'apple_1').mkdir(parents=True)
    with pytest.raises(RecordingError, match=r'no \*_crop.png in its instance folders'):
        find_crops(tmp_path)


def test_crop_of_another_instance_is_refused(tmp_path: Path) -> None:
    crop = write_crop(tmp_path, 'apple_1', 1, 1)
    crop.rename(crop.with_name('apple_2_1_1_crop.png'))
    with pytest.raises(RecordingError, match=r'not named apple_1_<sequence>_<frame>_crop\.png'):
        find_crops(tmp_path)


def test_crop_without_depth_is_refused(tmp_path: Path) -> None:
    crop = write_crop(tmp_path, 'apple_1', 1, 1)
    crop.with_name('apple_1_1_1_depthcrop.png').unlink()
    with pytest.raises(
        RecordingError, match=rf'^{crop}: its apple_1_1_1_depthcrop\.png is missing'
    ):
        find_crops(tmp_path)


def test_every_crop_without_depth_is_counted(tmp_path: Path) -> None:
    for frame in range(1, 6):
        write_crop(tmp_path, 'apple_1', 1, frame)
    write_crop(tmp_path, 'ball_2', 1, 6)
    for path in tmp_path.rglob('*_depthcrop.png'):
        if path.parent.name == 'ball_2' or path.name in (
            'apple_1_1_3_depthcrop.png',  # also one that every fifth frame would not take
            'apple_1_1_5_depthcrop.png',
        ):
            path.unlink()
    with pytest.raises(RecordingError) as caught:
        find_crops(tmp_path, every=5)
    assert str(caught.value) == (
        f'{tmp_path}/apple/apple_1/apple_1_1_3_crop.png: its apple_1_1_3_depthcrop.png is missing, '
        'and those of 2 other colour crops (3 of 6); unpack the data set again'
    )


@pytest.mark.parametrize('suffix', ['crop', 'depthcrop'])
@pytest.mark.parametrize('kept', [0, 7, 20, -1])
def test_unreadable_png_is_named(tmp_path: Path, suffix: str, kept: int) -> None:
    write_crop(tmp_path, 'apple_1', 1, 1)
    path = tmp_path / 'apple' / 'apple_1' / f'apple_1_1_1_{suffix}.png'
    path.write_bytes(path.read_bytes()[:kept])
    (crop,) = find_crops(tmp_path)
    with pytest.raises(RecordingError, match=rf'^{path}: cannot be read: '):
        crop.observation()


def test_depth_of_another_size_or_depth_is_refused(tmp_path: Path) -> None:
    crop = write_crop(tmp_path, 'apple_1', 1, 1)
    depth = crop.with_name('apple_1_1_1_depthcrop.png')
    cv2.imwrite(str(depth), np.full((5, 8), 700, np.uint16))
    with pytest.raises(RecordingError, match=r'its size \(5, 8\) is not that of apple_1_1_1_crop'):
        find_crops(tmp_path)[0].observation()
    cv2.imwrite(str(depth), np.full((6, 8), 70, np.uint8))
    with pytest.raises(RecordingError, match='8 bits'):
        find_crops(tmp_path)[0].observation()


OFFICIAL = """****** trial 1 ******
apple_4
coffee_mug_2


****** trial 2 ******
apple_1
coffee_mug_8

"""


def test_official_trials_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'testinstance_ids.txt'
    for content in (OFFICIAL, OFFICIAL.replace('\n', '\r\n')):
        path.write_bytes(content.encode())
        assert read_trials(path) == [{'apple_4', 'coffee_mug_2'}, {'apple_1', 'coffee_mug_8'}]


@pytest.mark.parametrize(
    ('old', 'new', 'cause'),
    [
        ('****** trial 1 ******\n', '', ":1: 'apple_4' is neither the title of trial 1"),
        ('trial 2', 'trial 3', r":6: '\*\*\*\*\*\* trial 3 \*\*\*\*\*\*' is neither"),
        ('apple_1', 'apple', ":7: 'apple' is neither"),
        ('apple_1\n', '', ': trial 2 does not hold out one instance of each of the 2'),
        ('coffee_mug_8', 'apple_2', ': trial 2 does not hold out one'),
        (OFFICIAL, '', ': no trial'),
    ],
)
def test_other_splits_files_are_refused(tmp_path: Path, old: str, new: str, cause: str) -> None:
    path = tmp_path / 'testinstance_ids.txt'
    path.write_text(OFFICIAL.replace(old, new))
    with pytest.raises(RecordingError, match=cause):
        read_trials(path)
    with pytest.raises(RecordingError, match='cannot be read'):
        read_trials(tmp_path)
