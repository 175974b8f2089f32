# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings are found wherever they lie, one each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mm_perception.errors import RecordingError
from training.recordings.finding import locate, unique_names

if TYPE_CHECKING:
    from pathlib import Path


def found(root: Path, *names: str) -> dict[str, list[str]]:
    """Which recordings a folder with these files holds, and their storage files' names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return {str(p.path.relative_to(root)): [f.name for f in p.files] for p in locate(root)}


def test_numbered_parts_are_one_recording(tmp_path: Path) -> None:
    names = ['a/x_0.mcap', 'a/x_1.mcap', 'a/x_2.mcap.zstd']
    assert found(tmp_path, *names) == {'a': ['x_0.mcap', 'x_1.mcap', 'x_2.mcap.zstd']}


def test_loose_files_are_a_recording_each(tmp_path: Path) -> None:
    names = ['apple_1.mcap', 'apple_2.mcap', 'kitchen.db3', 'old.bag', 'notes.txt', '.hidden.bag']
    assert sorted(found(tmp_path, *names)) == [
        'apple_1.mcap',
        'apple_2.mcap',
        'kitchen.db3',
        'old.bag',
    ]


def test_metadata_makes_one_recording_of_any_files(tmp_path: Path) -> None:
    names = ['a/metadata.yaml', 'a/p.db3', 'a/q.db3', 'a/extra.bag']
    assert found(tmp_path, *names) == {'a': ['p.db3', 'q.db3'], 'a/extra.bag': ['extra.bag']}


def test_files_that_the_metadata_does_not_list_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/metadata.yaml').write_text(
        'rosbag2_bagfile_information:\n  relative_file_paths: [x_0.db3.zstd, x_1.db3]\n'
    )
    names = ['a/x_0.db3', 'a/x_1.db3.zstd', 'a/seen.mcap', 'a/x_filtered.db3']
    assert found(tmp_path, *names) == {'a': ['x_0.db3', 'x_1.db3.zstd']}
    (warning,) = caplog.messages
    assert 'metadata.yaml does not list seen.mcap, x_filtered.db3: left out' in warning


def test_two_files_of_the_folders_name_are_not_parts_of_one_recording(tmp_path: Path) -> None:
    assert sorted(found(tmp_path, 'a/a.db3', 'a/a.mcap')) == ['a/a.db3', 'a/a.mcap']


def test_half_packed_file_gives_way_to_its_source(tmp_path: Path) -> None:
    assert found(tmp_path, 'a/x_0.db3', 'a/x_0.db3.zstd') == {'a': ['x_0.db3']}


def test_folders_are_searched_to_any_depth_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'back').symlink_to(tmp_path)
    assert found(tmp_path, 'a/b/c/x.bag', '.git/y.bag') == {'a/b/c/x.bag': ['x.bag']}


def test_metadata_alone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r'metadata\.yaml is there, but not a storage file'):
        found(tmp_path, 'a/metadata.yaml')


@pytest.mark.parametrize(
    ('name', 'cause'),
    [
        ('x.mp4', 'not a recording; expected .bag, .mcap or .db3'),
        ('x.bag.active', 'finish it with `rosbag reindex`'),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, cause: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(RecordingError, match=cause):
        list(locate(tmp_path / name))
    with pytest.raises(RecordingError, match='there is no such file or folder'):
        list(locate(tmp_path / 'nowhere'))


def test_names_that_collide_even_with_their_folder_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / 'a/x.bag', tmp_path / 'b/x.bag', tmp_path / 'c/a/x.mcap']
    assert set(unique_names(paths[:2]).values()) == {'a/x', 'b/x'}
    with pytest.raises(RecordingError, match=r'x\.mcap: .*x\.bag has the same name; rename one'):
        unique_names(paths)
