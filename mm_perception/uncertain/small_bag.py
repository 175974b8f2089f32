# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A small rosbag2 that is whole when it can be seen.

No library that writes bags is on every robot: rosbag2_py is apt's alone, rosbags is pip's alone.
SQLite is rosbag2's own storage and Python brings it, so a bag is two tables and a metadata.yaml,
in the layout that every rosbag2 reads, from Humble's on (schema 2, metadata 5).

Until it is finished a bag is a hidden folder. Each frame is a transaction, so that whatever stops
the process, at most the frame being written is lost: whoever comes next finishes the bag.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_TABLES = """
BEGIN;
CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,
    serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);
CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,
    timestamp INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX timestamp_idx ON messages (timestamp ASC);
COMMIT;
"""
_TOPICS = (
    'SELECT name, type, count(messages.id) FROM topics JOIN messages '
    'ON topics.id = messages.topic_id GROUP BY topics.id ORDER BY topics.id'
)
_METADATA = 'metadata.yaml'
_SIDECARS = ('', '-journal', '-wal', '-shm')  # what SQLite may have beside a database


class Message(NamedTuple):
    """A message as it is stored.

    Attributes:
        topic: Its topic's full name.
        time: When it was received, in ns.
        kind: Its type, ``sensor_msgs/msg/Image``.
        data: As CDR.

    """

    topic: str
    time: int
    kind: str
    data: bytes


class SmallBag:
    """A bag that is being written; one thread's alone.

    Attributes:
        frames: How many ``write`` has written.

    """

    def __init__(self, folder: Path) -> None:
        """Begin a bag.

        Args:
            folder: Its place when it is finished, whose hidden twin is not there yet.

        Raises:
            OSError: It cannot be made.
            sqlite3.Error: Likewise.

        """
        self._hidden = hidden(folder)
        self._hidden.mkdir()
        self._lock = _locked(self._hidden)
        self.frames = 0
        self._topics: dict[str, int] = {}
        try:
            self._database = sqlite3.connect(database_of(self._hidden), isolation_level=None)
            self._database.executescript(_TABLES)
        except BaseException:
            os.close(self._lock)
            raise

    def write(self, messages: Sequence[Message]) -> None:
        """Write a frame's messages, all or none.

        Raises:
            OSError: They cannot be written.
            sqlite3.Error: Likewise.

        """
        self._database.execute('BEGIN')
        with self._database:
            for message in messages:
                if message.topic not in self._topics:
                    row = (len(self._topics) + 1, message.topic, message.kind, 'cdr', '')
                    self._database.execute('INSERT INTO topics VALUES (?, ?, ?, ?, ?)', row)
                    self._topics[message.topic] = row[0]
                self._database.execute(
                    'INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)',
                    (self._topics[message.topic], message.time, message.data),
                )
        self.frames += 1

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return size_of(self._hidden)

    def finish(self) -> None:
        """Complete the bag and show it.

        Raises:
            OSError: It cannot be completed; ``finish_left`` may later.
            sqlite3.Error: Likewise.

        """
        try:
            self._database.close()
            complete(self._hidden)
        finally:
            os.close(self._lock)

    def abandon(self) -> None:
        """Leave the bag as it stands to whoever comes next."""
        with suppress(sqlite3.Error):
            self._database.close()
        os.close(self._lock)


def hidden(folder: Path) -> Path:
    """Name the place of a bag that is not finished."""
    return folder.with_name(f'.{folder.name}')


def database_of(folder: Path) -> Path:
    """Name the file that the messages of a bag, hidden or not, lie in."""
    return folder / f'{folder.name.removeprefix(".")}.db3'


def size_of(folder: Path) -> int:
    """Give the bytes of a bag's own files."""
    size = 0
    for file in _files(folder):
        with suppress(OSError):  # not there, or just removed
            size += file.stat().st_size
    return size


def remove(folder: Path) -> None:
    """Remove a bag; whatever else lies in its folder stays.

    Raises:
        OSError: A file cannot be removed.

    """
    for file in _files(folder):
        file.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def finish_left(folder: Path) -> None:
    """Finish what a process that was stopped has left, unless one writes it still.

    Args:
        folder: Of a hidden bag.

    Raises:
        OSError: It cannot be completed.
        sqlite3.Error: Likewise.

    """
    try:
        lock = _locked(folder)
    except BlockingIOError:
        return
    try:
        complete(folder)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # of the disk; the bag may be all right
        remove(folder)  # no database: nothing was ever written, or the disk lost it
    finally:
        os.close(lock)


def complete(folder: Path) -> None:
    """Write a hidden bag's metadata and show it; one without messages is removed.

    Raises:
        OSError: It cannot be written.
        sqlite3.Error: Likewise, or there is no bag.

    """
    described = _described(folder)
    if described is None:
        remove(folder)
        return
    with (folder / _METADATA).open('w', encoding='utf-8') as file:
        yaml.safe_dump(described, file, sort_keys=False)
        file.flush()
        os.fsync(file.fileno())
    folder.rename(folder.with_name(folder.name.removeprefix('.')))


def _described(folder: Path) -> dict[str, Any] | None:
    """Say of a bag what rosbag2 wants to know; None of one without messages."""
    name = database_of(folder)
    if not name.is_file():
        return None
    with closing(sqlite3.connect(name)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'messages'").fetchone():
            return None
        span = 'SELECT count(*), min(timestamp), max(timestamp) FROM messages'
        ((count, first, last),) = database.execute(span).fetchall()
        topics = database.execute(_TOPICS).fetchall()
    if not count:
        return None
    starting = {'nanoseconds_since_epoch': first}
    duration = {'nanoseconds': last - first}
    file = {
        'path': name.name,
        'starting_time': dict(starting),
        'duration': dict(duration),
        'message_count': count,
    }
    return {
        'rosbag2_bagfile_information': {
            'version': 5,
            'storage_identifier': 'sqlite3',
            'duration': duration,
            'starting_time': starting,
            'message_count': count,
            'topics_with_message_count': [_topic(*row) for row in topics],
            'compression_format': '',
            'compression_mode': '',
            'relative_file_paths': [name.name],
            'files': [file],
        }
    }


def _topic(name: str, kind: str, count: int) -> dict[str, Any]:
    about = {'name': name, 'type': kind, 'serialization_format': 'cdr', 'offered_qos_profiles': ''}
    return {'topic_metadata': about, 'message_count': count}


def _files(folder: Path) -> list[Path]:
    database = database_of(folder)
    names = [f'{database.name}{suffix}' for suffix in _SIDECARS]
    return [folder / name for name in (*names, _METADATA)]


def _locked(folder: Path) -> int:
    """Take a bag for this process, as long as it lives.

    Raises:
        BlockingIOError: Another has it.

    """
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    except OSError:
        pass  # a file system without locks: one node writes there
    return lock
