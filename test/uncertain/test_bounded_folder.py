# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import Reader

from mm_perception.uncertain.bounded_folder import FRAMES, BoundedFolder
from mm_perception.uncertain.small_bag import Message

KILO = 1000


def frame(number: int, size: int) -> list[Message]:
    return [Message('/rgb', number, 'sensor_msgs/msg/Image', bytes(size))]


def on_disk(folder: Path) -> int:
    """Bytes of everything below a folder, by whatever name."""
    return sum(path.stat().st_size for path in folder.rglob('*') if path.is_file())


def kept(folder: BoundedFolder) -> list[int]:
    numbers = []
    for bag in folder.bags():
        with Reader(bag) as reader:
            numbers += [time for _, time, _ in reader.messages()]
    return numbers


STEPS = st.lists(
    st.one_of(
        st.integers(1, 400 * KILO).map(lambda size: ('frame', size)),
        st.sampled_from([('finish', 0), ('restart', 0)]),
    ),
    max_size=25,
)


@settings(max_examples=8, deadline=None)
@given(steps=STEPS, limit=st.integers(200 * KILO, 2000 * KILO))
def test_whatever_is_kept_the_folder_stays_below_its_limit_and_the_newest_are_there(
    steps: list[tuple[str, int]], limit: int
) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder, written = BoundedFolder(Path(place)), []
        for number, (step, size) in enumerate(steps):
            if step == 'frame' and folder.write(frame(number, size), limit):
                written.append(number)
            elif step == 'finish':
                folder.finish()
            elif step == 'restart':
                folder.abandon()
                folder = BoundedFolder(Path(place))
            assert on_disk(Path(place)) <= limit
        if not written:
            return
        folder.write(frame(len(steps), 1), limit)  # finishes what was left
        folder.finish()
        there = kept(folder)
        assert there == [*written, len(steps)][-len(there) :]


def test_bags_end_after_so_many_frames_and_long_before_they_fill_the_limit(tmp_path: Path) -> None:
    folder = BoundedFolder(tmp_path)
    for number in range(FRAMES + 1):
        assert folder.write(frame(number, 10), 100_000 * KILO)
    assert kept(folder) == list(range(FRAMES))
    folder.finish()
    for number in range(100, 114):
        assert folder.write(frame(number, 200 * KILO), 2000 * KILO)
    there = kept(folder)
    assert there[-1] >= 112
    assert len(there) > 5, 'a bag that made room for one frame took most with it'


def test_a_frame_larger_than_the_limit_is_dropped_and_costs_nothing(tmp_path: Path) -> None:
    folder = BoundedFolder(tmp_path)
    assert folder.write(frame(1, KILO), 1000 * KILO)
    folder.finish()
    assert not folder.write(frame(2, 1000 * KILO), 1000 * KILO)
    assert kept(folder) == [1]


def test_what_is_not_ours_is_never_touched(tmp_path: Path) -> None:
    elsewhere = tmp_path / 'elsewhere'
    (elsewhere / 'uncertain_000001_20260101T000000Z').mkdir(parents=True)
    theirs = tmp_path / 'kept'
    theirs.mkdir()
    (theirs / 'labels.csv').write_text('bag,start,end,label\n')
    for name in ('kitchen', '.hidden', 'uncertain_1_x', 'uncertain_000002_20260101T000000Z'):
        (theirs / name).mkdir()
        (theirs / name / 'film.db3').write_bytes(bytes(500 * KILO))
    (theirs / 'uncertain_000003_20260101T000000Z').symlink_to(
        elsewhere / 'uncertain_000001_20260101T000000Z'
    )
    before = {path: path.lstat().st_mtime_ns for path in theirs.rglob('*')}
    folder = BoundedFolder(theirs)
    for number in range(12):
        folder.write(frame(number, 100 * KILO), 500 * KILO)
    folder.finish()
    assert kept(folder)
    after = {path: path.lstat().st_mtime_ns for path in theirs.rglob('*')}
    assert before.items() <= after.items()


def test_a_bags_name_is_never_given_again_in_another_second(tmp_path: Path) -> None:
    names = []
    for number in range(3):
        folder = BoundedFolder(tmp_path)
        folder.write(frame(number, 10), 100_000 * KILO)
        folder.finish()
        names += [bag.name for bag in folder.bags()]
    assert [name[:17] for name in names[-3:]] == [f'uncertain_{n:06d}_' for n in (1, 2, 3)]


def test_a_folder_that_vanished_is_not_made_anew_and_used_again_when_it_is_back(
    tmp_path: Path,
) -> None:
    place = tmp_path / 'disk'
    place.mkdir()
    folder = BoundedFolder(place)
    assert folder.write(frame(1, 10), 1000 * KILO)
    shutil.rmtree(place)
    for number in (2, 3):
        with pytest.raises((OSError, sqlite3.Error), match=r'unable to open|disk|No such file'):
            folder.write(frame(number, 10), 1000 * KILO)
    assert not place.exists()
    place.mkdir()
    assert folder.write(frame(4, 10), 1000 * KILO)
    folder.finish()
    assert kept(folder) == [4]


def test_two_cameras_share_a_folder_and_its_limit(tmp_path: Path) -> None:
    limit, size = 1500 * KILO, 100 * KILO
    folders = [BoundedFolder(tmp_path) for _ in range(2)]
    for number in range(12):
        for folder in folders:
            folder.write(frame(number, size), limit)
            assert on_disk(tmp_path) <= limit + size
    for folder in folders:
        folder.finish()
    there = kept(folders[0])
    assert len(there) >= 8
    assert there.count(11) == 2, 'the newest frame of each'
