# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bags as rosbags' own reader sees them, and after whatever stops the writer."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rosbags.rosbag2 import Reader

from mm_perception.uncertain.small_bag import Message, SmallBag, finish_left, hidden, remove

RGB, DEPTH, IMAGE = '/camera/rgb/image_raw', '/camera/depth/image_raw', 'sensor_msgs/msg/Image'
PATIENCE = 60.0


def frame(number: int) -> list[Message]:
    return [
        Message(RGB, 10 * number, IMAGE, b'rgb %d' % number),
        Message(DEPTH, 10 * number + 5, IMAGE, b'depth %d' % number),
    ]


def contents(folder: Path) -> list[Message]:
    """Read a bag with its metadata, as ``ros2 bag`` does."""
    with Reader(folder) as reader:
        return [
            Message(connection.topic, at, connection.msgtype, bytes(data))
            for connection, at, data in reader.messages()
        ]


def test_a_bag_is_a_rosbag2_with_all_that_was_written(tmp_path: Path) -> None:
    bag = SmallBag(tmp_path / 'bag')
    for number in (1, 2, 3):
        bag.write(frame(number))
    bag.finish()
    assert contents(tmp_path / 'bag') == [m for number in (1, 2, 3) for m in frame(number)]
    with Reader(tmp_path / 'bag') as reader:
        assert (reader.start_time, reader.end_time, reader.message_count) == (10, 36, 6)
        counts = {c.topic: c.msgcount for c in reader.connections}
    assert counts == {RGB: 3, DEPTH: 3}


def test_a_bag_is_not_to_be_seen_before_it_is_finished(tmp_path: Path) -> None:
    bag = SmallBag(tmp_path / 'bag')
    bag.write(frame(1))
    assert list(tmp_path.iterdir()) == [hidden(tmp_path / 'bag')]
    bag.finish()
    assert list(tmp_path.iterdir()) == [tmp_path / 'bag']
    assert {file.name for file in (tmp_path / 'bag').iterdir()} == {'bag.db3', 'metadata.yaml'}


def test_a_bag_without_messages_leaves_nothing(tmp_path: Path) -> None:
    SmallBag(tmp_path / 'bag').finish()
    assert not list(tmp_path.iterdir())


def test_a_bag_that_is_being_written_is_not_finished_by_another(tmp_path: Path) -> None:
    bag = SmallBag(tmp_path / 'bag')
    bag.write(frame(1))
    finish_left(hidden(tmp_path / 'bag'))
    bag.write(frame(2))
    bag.finish()
    assert len(contents(tmp_path / 'bag')) == 4


@pytest.mark.parametrize('left', [b'', b'no database at all, and long enough to tell' * 9])
def test_what_is_no_bag_is_removed(tmp_path: Path, left: bytes) -> None:
    (tmp_path / '.bag').mkdir()
    (tmp_path / '.bag' / 'bag.db3').write_bytes(left)
    finish_left(tmp_path / '.bag')
    assert not list(tmp_path.iterdir())


def test_files_of_others_stay_in_a_bag_that_is_removed(tmp_path: Path) -> None:
    bag = SmallBag(tmp_path / 'bag')
    bag.write(frame(1))
    bag.finish()
    (tmp_path / 'bag' / 'notes.txt').write_text('mine')
    remove(tmp_path / 'bag')
    assert [file.name for file in (tmp_path / 'bag').iterdir()] == ['notes.txt']


WRITES = """
import itertools, sys
from pathlib import Path
from mm_perception.uncertain.bounded_folder import BoundedFolder
from mm_perception.uncertain.small_bag import Message

folder = BoundedFolder(Path(sys.argv[1]))
for number in itertools.count():
    folder.write([Message('/rgb', number, 'sensor_msgs/msg/Image', bytes(300_000))], 10**9)
    print(number, flush=True)
"""


def test_a_killed_process_leaves_whole_bags_and_loses_no_frame_it_had_written(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, '-c', WRITES, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        end, told = time.monotonic() + PATIENCE, -1
        while told < 46:
            assert time.monotonic() < end
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        told = max([told, *map(int, process.stdout.read().split())])
    shown = sorted(folder for folder in tmp_path.iterdir() if not folder.name.startswith('.'))
    before = [m.time for folder in shown for m in contents(folder)]
    assert before == list(range(len(before)))
    assert len(before) % 20 == 0
    assert len(before) >= 40
    (under_way,) = (folder for folder in tmp_path.iterdir() if folder.name.startswith('.'))
    finish_left(under_way)
    folders = sorted(tmp_path.iterdir())
    times = [m.time for folder in folders for m in contents(folder)]
    assert times == list(range(len(times)))
    assert len(times) >= told + 1
