# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where recordings lie: rosbag2 folders, with or without metadata, and single files."""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from mm_perception import plain_yaml
from mm_perception.errors import RecordingError
from training.recordings.storage import (
    PACKED_SUFFIX,
    ROSBAG2_SUFFIXES,
    storage_stem,
    storage_suffix,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LOGGER = logging.getLogger(__name__)
_METADATA = 'metadata.yaml'
_PART = re.compile(r'(.+)_(\d+)')  # rosbag2 numbers the files of one recording from 0


class Place(NamedTuple):
    """Where one recording lies.

    Attributes:
        path: The rosbag2 folder or the file.
        files: Its storage files.

    """

    path: Path
    files: tuple[Path, ...]


def locate(root: Path) -> Iterator[Place]:
    """Find all recordings that a path is or holds, hidden files and folders aside.

    Raises:
        RecordingError: The path does not exist, or is a file of another kind, or a recording's
            metadata lists a file that is not there.

    """
    if not root.exists():
        raise RecordingError(f'{root}: there is no such file or folder')
    if root.is_dir():
        yield from _locate_in(root, set())
    elif storage_suffix(root) is None:
        active = root.suffix == '.active'
        way_out = 'finish it with `rosbag reindex`' if active else 'expected .bag, .mcap or .db3'
        raise RecordingError(f'{root}: not a recording; {way_out}')
    else:
        yield Place(root, (root,))


def unique_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Name each recording; where two have the same name, with the folder that holds them.

    Raises:
        RecordingError: That does not tell them apart either.

    """
    short = {path: stem_of(path) for path in paths}
    times = Counter(short.values())
    names = {
        path: stem if times[stem] == 1 else f'{path.resolve().parent.name}/{stem}'
        for path, stem in short.items()
    }
    owners: dict[str, Path] = {}
    for path, name in names.items():
        if owners.setdefault(name, path) != path:
            raise RecordingError(f'{path}: {owners[name]} has the same name; rename one of them')
    return names


def stem_of(path: Path) -> str:
    """Name a recording by its folder or its file, without suffix."""
    return path.resolve().name if path.is_dir() else storage_stem(path)


def _locate_in(folder: Path, visited: set[Path]) -> Iterator[Place]:
    if folder.resolve() in visited:
        return  # a link back
    visited.add(folder.resolve())
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith('.')]
    files = [entry for entry in entries if entry.is_file() and storage_suffix(entry)]
    rosbag2 = _without_packed_twins([f for f in files if storage_suffix(f) in ROSBAG2_SUFFIXES])
    if (folder / _METADATA).is_file():
        yield Place(folder, _listed(folder, rosbag2))
        rosbag2 = []
    elif _are_one_recording(folder, rosbag2):
        yield Place(folder, tuple(rosbag2))
        rosbag2 = []
    loose = rosbag2 + [file for file in files if storage_suffix(file) not in ROSBAG2_SUFFIXES]
    for file in loose:
        yield Place(file, (file,))
    for entry in entries:
        if entry.is_dir():
            yield from _locate_in(entry, visited)


def _without_packed_twins(files: Sequence[Path]) -> list[Path]:
    """Leave out the packed file that a killed recorder had not finished, its source being there."""
    names = {file.name for file in files}
    return [
        file
        for file in files
        if file.suffix != PACKED_SUFFIX or file.name.removesuffix(PACKED_SUFFIX) not in names
    ]


def _are_one_recording(folder: Path, files: Sequence[Path]) -> bool:
    """Whether these storage files are one recording's, though no metadata says so."""
    stems = [storage_stem(file) for file in files]
    if stems == [folder.name]:
        return True  # rosbags names its one file so
    parts = [_PART.fullmatch(stem) for stem in stems]
    numbers = {int(part[2]) for part in parts if part}
    prefixes = {part[1] for part in parts if part}
    return len(prefixes) == 1 and numbers == set(range(len(files)))


def _listed(folder: Path, files: Sequence[Path]) -> tuple[Path, ...]:
    """Take the files that the metadata lists, packed or not; all of them if it is damaged.

    Another file there is what somebody made of the recording: the same frames a second time.

    Raises:
        RecordingError: A part is gone: the times of the others would all be shifted.

    """
    listed = [name.removesuffix(PACKED_SUFFIX) for name in _listed_files(folder / _METADATA)]
    there = {file.name.removesuffix(PACKED_SUFFIX): file for file in files}
    missing = [name for name in listed if name not in there]
    if missing or not there:
        raise RecordingError(
            f'{folder}: {_METADATA} is there, but not {", ".join(missing) or "a storage file"}; '
            f'put it back, or delete {_METADATA} to read what is there'
        )
    others = [file.name for name, file in there.items() if listed and name not in listed]
    if others:
        _LOGGER.warning(
            '%s: %s does not list %s: left out; to have it read, move it to another folder',
            *(folder, _METADATA, ', '.join(others)),
        )
    return tuple(file for file in files if file.name not in others)


def _listed_files(metadata: Path) -> list[str]:
    """The storage files that the metadata lists; none if it is damaged: it is not needed."""
    try:
        content: Any = plain_yaml.load(metadata)
        listed = content['rosbag2_bagfile_information']['relative_file_paths']
        return [PurePath(name).name for name in listed]
    except (OSError, TypeError, KeyError, yaml.YAMLError):
        return []
