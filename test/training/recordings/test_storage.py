# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A damaged or unfinished recording gives what is sound in it, or one clear line."""

from __future__ import annotations

import random
import resource
import shutil
import sqlite3
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
import recorder
from hypothesis import given
from hypothesis import strategies as st
from recorder import PERIOD, START, record, rgbd

from mm_perception.errors import RecordingError
from training.recordings.bags import find_recordings
from training.recordings.storage import storage_stem, storage_suffix

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 12


def stamps(path: Path) -> list[int]:
    (recording,) = find_recordings([path])
    return [observation.stamp for observation in recording.observations()]


EXPECTED = [START + index * PERIOD - 17_000_000 for index in range(FRAMES)]


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A recording in each format."""
    folder = tmp_path_factory.mktemp('whole')
    return {k: record(folder / k.replace(' ', '_'), rgbd(FRAMES), k) for k in recorder.FORMATS}


@pytest.mark.parametrize('kind', [k for k in recorder.FORMATS if not k.startswith('ros1')])
def test_missing_metadata_changes_nothing(
    tmp_path: Path, whole: dict[str, Path], kind: str
) -> None:
    folder = tmp_path / 'mug_1'
    shutil.copytree(whole[kind], folder)
    (folder / 'metadata.yaml').unlink()
    file = recorder.storage_file(folder)
    file.rename(folder / ('rosbag2_2024_01_01_0' + ''.join(file.suffixes)))
    assert stamps(folder) == EXPECTED


@pytest.mark.parametrize('text', ['', 'a: [', '\x00', 'rosbag2_bagfile_information: 3', '- 1'])
def test_damaged_metadata_changes_nothing(
    tmp_path: Path, whole: dict[str, Path], text: str
) -> None:
    shutil.copytree(whole['mcap'], tmp_path / 'mug_1')
    (tmp_path / 'mug_1' / 'metadata.yaml').write_text(text)
    assert stamps(tmp_path / 'mug_1') == EXPECTED


def test_part_that_the_metadata_lists_must_be_there(tmp_path: Path, whole: dict[str, Path]) -> None:
    shutil.copytree(whole['mcap'], tmp_path / 'mug_1')
    (tmp_path / 'mug_1' / 'mcap.mcap').rename(tmp_path / 'mug_1' / 'mcap_1.mcap')
    with pytest.raises(RecordingError, match=r'mug_1: metadata.yaml is there, but not mcap.mcap; '):
        stamps(tmp_path / 'mug_1')


def test_mcap_of_a_killed_recorder_is_read_to_its_last_chunk(
    tmp_path: Path, whole: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    data = (whole['mcap'] / 'mcap.mcap').read_bytes()
    for kept in (len(data) - 1, len(data) - 200, len(data) // 2):
        (tmp_path / f'{kept}.mcap').write_bytes(data[:kept])
        found = stamps(tmp_path / f'{kept}.mcap')
        assert found == EXPECTED[: len(found)]
        assert len(found) >= FRAMES * kept // len(data) - 2  # a chunk holds two pairs
        assert f'{kept}.mcap: the recorder did not finish this file' in caplog.text


def test_zeros_that_a_power_cut_leaves_are_passed_over(
    tmp_path: Path, whole: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    data = (whole['mcap'] / 'mcap.mcap').read_bytes()
    boundary = 8  # the file's magic; then its header and three chunks with their two indexes each
    for _, content in recorder.mcap_records(data[8:])[:10]:
        boundary += 9 + len(content)
    (tmp_path / 'zeros.mcap').write_bytes(data[:boundary] + bytes(5000))
    assert stamps(tmp_path / 'zeros.mcap') == EXPECTED[:6]
    assert '5000 bytes at its end lost' in caplog.text


def test_unchunked_mcap_is_read_though_its_messages_stand_out_of_order(
    tmp_path: Path, whole: dict[str, Path]
) -> None:
    order = list(range(2 * FRAMES))
    for first in range(0, 2 * FRAMES, 6):  # depth before its RGB here and there
        order[first], order[first + 1] = order[first + 1], order[first]
    source, target = whole['mcap'] / 'mcap.mcap', tmp_path / 'cut.mcap'
    recorder.killed_unchunked_mcap(source, target, order)
    assert stamps(target) == EXPECTED
    target.write_bytes(target.read_bytes()[:-1])  # the last message is not whole
    assert stamps(target) == EXPECTED[:-1]


def test_packed_mcap_that_is_cut_off_is_unpacked_as_far_as_it_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Several blocks of 128 KiB, the unit that zstd unpacks.
    source = recorder.storage_file(record(tmp_path / 'mug_1', rgbd(150), 'mcap file'))
    cut = tmp_path / 'cut.mcap.zstd'
    cut.write_bytes(source.read_bytes()[: source.stat().st_size * 3 // 4])
    found = stamps(cut)
    assert len(found) >= 150 // 4
    assert found == [START + index * PERIOD - 17_000_000 for index in range(len(found))]
    assert 'cut.mcap.zstd: the compressed file is cut off' in caplog.text


def test_write_ahead_log_of_a_killed_recorder_is_read(
    tmp_path: Path, whole: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / 'source.db3'
    shutil.copy(recorder.storage_file(whole['sqlite3']), source)
    connection = sqlite3.connect(source)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA wal_autocheckpoint=0')
    rows = connection.execute('SELECT * FROM messages ORDER BY id').fetchall()
    connection.execute('DELETE FROM messages WHERE id > 4')
    connection.commit()
    connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    connection.executemany('INSERT INTO messages VALUES (?, ?, ?, ?)', rows[4:])
    connection.commit()
    killed = tmp_path / 'killed'
    killed.mkdir()
    for name in ('source.db3', 'source.db3-wal'):
        shutil.copy(tmp_path / name, killed / name)
    connection.close()
    before = {p.name: p.read_bytes() for p in killed.iterdir()}
    assert stamps(killed / 'source.db3') == EXPECTED
    assert 'source.db3-wal was read too' in caplog.text
    assert {p.name: p.read_bytes() for p in killed.iterdir()} == before


@pytest.mark.parametrize(
    ('kind', 'way_out'),
    [('sqlite3', 'sqlite3 FILE .recover'), ('ros1', 'rosbag reindex')],
)
def test_cut_off_file_of_other_formats_is_an_error_with_a_way_out(
    tmp_path: Path, whole: dict[str, Path], kind: str, way_out: str
) -> None:
    source = recorder.storage_file(whole[kind])
    cut = tmp_path / f'cut{source.suffix}'
    cut.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(RecordingError) as caught:
        stamps(cut)
    assert str(caught.value).startswith(f'{cut}: the file is damaged or cut off (')
    assert way_out in str(caught.value)


@pytest.mark.parametrize('kind', ['mcap', 'mcap file'])
def test_mcap_of_ros1_messages_is_not_called_damaged(
    tmp_path: Path, whole: dict[str, Path], kind: str
) -> None:
    source = recorder.storage_file(whole[kind])
    packed = source.suffix == '.zstd'
    content = zstd.decompress(source.read_bytes()) if packed else source.read_bytes()
    converted = content.replace(b'ros2', b'ros1', 1)
    file = tmp_path / source.name
    file.write_bytes(zstd.compress(converted) if packed else converted)
    with pytest.raises(RecordingError) as caught:
        stamps(file)
    assert str(caught.value).startswith(f'{file}: holds ROS 1 messages')
    assert 'give the .bag' in str(caught.value)


@pytest.mark.parametrize(
    ('told', 'room'), [(True, r'0\.1 MB'), (False, r'several times its 0\.0 MB')]
)
def test_temporary_folder_without_room_is_named_with_the_room_that_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool, room: str
) -> None:
    packer, content = zstd.ZstdCompressor(), bytes(100_000)
    file = tmp_path / 'mug_1.mcap.zstd'
    file.write_bytes(zstd.compress(content) if told else packer.compress(content) + packer.flush())
    scratch = tmp_path / 'scratch'
    scratch.mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(scratch))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a full disk
    try:
        with pytest.raises(
            RecordingError, match=f'cannot be unpacked into {scratch}: .*; it needs {room}.*TMPDIR'
        ):
            stamps(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(scratch.iterdir())


@pytest.mark.parametrize('kind', recorder.FORMATS)
@given(data=st.data())
def test_file_cut_anywhere_gives_a_shorter_stream_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, whole: dict[str, Path], kind: str, data: st.DataObject
) -> None:
    source = recorder.storage_file(whole[kind])
    content = source.read_bytes()
    kept = data.draw(st.integers(0, len(content) - 1))
    cut = tmp_path_factory.getbasetemp() / ('cut' + ''.join(source.suffixes))
    cut.write_bytes(content[:kept])
    assert_sound(cut)


@pytest.mark.parametrize('kind', recorder.FORMATS)
def test_overwritten_bytes_never_raise_anything_but_a_recording_error(
    tmp_path: Path, whole: dict[str, Path], kind: str
) -> None:
    source = recorder.storage_file(whole[kind])
    damaged = tmp_path / ('damaged' + ''.join(source.suffixes))
    generator = random.Random(0)  # bytes all over the file, the structures at its ends above all
    for _ in range(30):
        content = bytearray(source.read_bytes())
        reach = generator.choice([200, 2000, len(content)])
        position = generator.choice([generator.randrange(reach), -1 - generator.randrange(reach)])
        content[position % len(content)] ^= 1 << generator.randrange(8)
        damaged.write_bytes(content)
        _, complaint = read(damaged)
        assert '\n' not in complaint
        assert not complaint or complaint.startswith(str(damaged))


def test_names_of_storage_files(tmp_path: Path) -> None:
    names = ['a.bag', 'a.db3', 'a.mcap', 'a.mcap.zstd', 'a.db3.zstd', 'a.bag.zstd', 'a.bag.active']
    suffixes = [storage_suffix(tmp_path / name) for name in names]
    assert suffixes == ['.bag', '.db3', '.mcap', '.mcap', '.db3', None, None]
    assert storage_stem(tmp_path / 'my.bag_0.mcap.zstd') == 'my.bag_0'


def assert_sound(path: Path) -> None:
    """Whether a file gives the beginning of the stream, or an error of one line that names it."""
    found, complaint = read(path)
    assert '\n' not in complaint
    assert not complaint or complaint.startswith(str(path))
    assert found == EXPECTED[: len(found)]


def read(path: Path) -> tuple[list[int], str]:
    """The stamps that a file gives, and what the error says that ends it, if one does."""
    found: list[int] = []
    try:
        (recording,) = find_recordings([path])
        found.extend(observation.stamp for observation in recording.observations())
    except RecordingError as error:
        return found, str(error)
    return found, ''


def test_message_that_unpacks_to_gigabytes_is_refused_before_it_does(tmp_path: Path) -> None:
    file = recorder.storage_file(record(tmp_path / 'mug_1', rgbd(2)))
    packer = zstd.ZstdCompressor()
    packed = b''.join(packer.compress(bytes(1 << 24)) for _ in range(64)) + packer.flush()
    with sqlite3.connect(file) as database:
        database.execute('UPDATE messages SET data = ?', (packed,))
    database.close()
    with pytest.raises(RecordingError, match='it unpacks to over 268435456 B'):
        stamps(file)


@pytest.mark.parametrize(
    'table',
    [
        (
            'CREATE VIEW schema AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) '
            'SELECT max(i) AS schema_version FROM n'
        ),
        'CREATE TABLE schema(schema_version INTEGER, big BLOB AS (zeroblob(900000000)))',
    ],
)
def test_database_that_computes_what_it_holds_is_refused(tmp_path: Path, table: str) -> None:
    file = recorder.storage_file(record(tmp_path / 'mug_1', rgbd(2)))
    with sqlite3.connect(file) as database:
        database.execute('DROP TABLE schema')
        database.execute(table)
    database.close()
    with pytest.raises(RecordingError, match='its tables are no recording'):
        stamps(file)


@pytest.mark.parametrize('folder', ['50%41', 'what?', 'mug #1'])
def test_folder_may_have_any_name(tmp_path: Path, whole: dict[str, Path], folder: str) -> None:
    shutil.copytree(whole['sqlite3'], tmp_path / folder / 'mug_1')
    assert stamps(tmp_path / folder) == EXPECTED
