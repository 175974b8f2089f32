# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recording's storage files opened for reading, also those of a recorder that was killed.

Everything needed is read from the storage files themselves, so that a rosbag2 folder without
``metadata.yaml`` is nothing special. What has to be unpacked or mended is mended in a temporary
folder or in memory: nothing is ever written beside the user's files.
"""

from __future__ import annotations

import errno
import re
import shutil
import sqlite3
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from rosbags.rosbag1 import Reader as Rosbag1Reader
from rosbags.rosbag2 import Reader as Rosbag2Reader
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.typesys import Stores, get_typestore

from mm_perception.errors import RecordingError
from training.recordings.mcap_mending import mended
from training.recordings.unpacking import unzstd

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from rosbags.interfaces import Connection

ROS1_SUFFIX = '.bag'
PACKED_SUFFIX = '.zstd'
ROSBAG2_SUFFIXES = ('.mcap', '.db3')

_ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'  # no serialised message starts so: CDR starts with 00
_ROS1_PROFILE = b'\x04\0\0\0ros1'  # as an MCAP header says it: length and text
_PROFILE_AT = 17  # in the file, after its magic, the header's opcode and the header's length
_FRAME_HEADER = 18  # bytes of a zstd file, at most, that say how much it unpacks to
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SIDECARS = ('-wal', '-journal')  # what SQLite had not yet moved into the .db3 file
_COMPUTES = re.compile(r'\b(view|trigger|virtual|as)\b', re.IGNORECASE)  # in SQLite's schema
_REPAIRS = {
    ROS1_SUFFIX: '`rosbag reindex`',
    '.db3': '`sqlite3 FILE .recover`',
    '.mcap': '`mcap recover`',
}

# Only types are read that are the same in every distribution; one store for each format will do.
ROS1 = get_typestore(Stores.ROS1_NOETIC)
ROS2 = get_typestore(Stores.ROS2_JAZZY)


Reader: TypeAlias = Rosbag1Reader | Rosbag2Reader


@dataclass(frozen=True)
class Topic:
    """One topic of a recording.

    Attributes:
        msgtype: As ROS 2 names it, ``sensor_msgs/msg/Image``, for ROS 1 too.
        count: How many messages it holds.

    """

    msgtype: str
    count: int


@dataclass(frozen=True, eq=False)
class Received:
    """One message, not yet deserialised.

    Attributes:
        topic: Its topic's name.
        time: When the recorder received it, in ns.
        read: Deserialises it.

    """

    topic: str
    time: int
    _data: bytes
    _msgtype: str
    _ros1: bool
    _file: Path

    def read(self) -> Any:
        """Deserialise the message.

        Raises:
            RecordingError: The bytes are not a message of the topic's type.

        """
        with _reading(self._file):
            if self._ros1:
                return ROS1.deserialize_ros1(self._data, self._msgtype)
            return ROS2.deserialize_cdr(self._data, self._msgtype)

    def as_ros2(self) -> bytes | memoryview:
        """Give the bytes as ROS 2 serialises them: those of a ROS 2 recording, unchanged.

        Raises:
            RecordingError: The bytes are not a message of the topic's type.

        """
        with _reading(self._file):
            return ROS2.ros1_to_cdr(self._data, self._msgtype) if self._ros1 else self._data


@dataclass(eq=False)
class Storage:
    """The open storage files of one recording.

    Attributes:
        start: Receive time of the first message in ns; 0 without messages.
        end: Receive time of the last message in ns; 0 without messages.
        topics: Every topic that holds a message, by name.
        notes: What had to be mended or left out, a line each.

    """

    start: int = 0
    end: int = 0
    topics: dict[str, Topic] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _readers: list[tuple[Path, Reader]] = field(default_factory=list)

    def messages(self, topics: Collection[str]) -> Iterator[Received]:
        """Stream these topics' messages in the order in which they were received.

        Raises:
            RecordingError: A file is damaged; what stands before the damage has been yielded.

        """
        # The parts of a split recording follow one another, so one at a time is read.
        for file, reader in sorted(self._readers, key=lambda part: part[1].start_time):
            yield from self._stream(file, reader, topics)

    def connection(self, topic: str) -> Connection:
        """Give what the recording says of a topic: type, definition, QoS."""
        return next(
            connection
            for _, reader in self._readers
            for connection in reader.connections
            if connection.topic == topic and self._is_of_topic(connection)
        )

    def _stream(self, file: Path, reader: Reader, topics: Collection[str]) -> Iterator[Received]:
        wanted = [
            connection
            for connection in reader.connections
            if connection.topic in topics and self._is_of_topic(connection)
        ]
        if not wanted:
            return
        ros1 = isinstance(reader, Rosbag1Reader)
        with _reading(file):
            for connection, time, packed in _raw_messages(reader, wanted):
                data = unzstd(packed) if packed[:4] == _ZSTD_MAGIC else packed
                yield Received(connection.topic, time, data, connection.msgtype, ros1, file)

    def _is_of_topic(self, connection: Connection) -> bool:
        topic = self.topics.get(connection.topic)
        return topic is not None and topic.msgtype == connection.msgtype

    def add(self, file: Path, reader: Reader) -> None:
        """Take in one more open file."""
        self._readers.append((file, reader))
        if not reader.message_count:
            return
        first, last = reader.start_time, reader.end_time - 1  # rosbags' end is the ns after
        self.start = min(self.start, first) if self.topics else first
        self.end = max(self.end, last)
        for connection in reader.connections:
            known = self.topics.get(connection.topic, Topic(connection.msgtype, 0))
            if connection.msgcount and known.msgtype == connection.msgtype:
                count = known.count + connection.msgcount
                self.topics[connection.topic] = Topic(known.msgtype, count)


@contextmanager
def open_storage(files: Sequence[Path]) -> Iterator[Storage]:
    """Open a recording's storage files: one, or the parts of a split one.

    Raises:
        RecordingError: A file cannot be read at all.

    """
    storage = Storage()
    with ExitStack() as stack:
        for file in files:
            with _reading(file):
                reader = _reader(file, stack, storage.notes)
                reader.open()
                stack.callback(reader.close)
                storage.add(file, reader)
        yield storage


def storage_suffix(path: Path) -> str | None:
    """``.bag``, ``.mcap`` or ``.db3`` when the name is a storage file's, packed or not."""
    name = path.name.removesuffix(PACKED_SUFFIX)
    suffix = Path(name).suffix
    if suffix in ROSBAG2_SUFFIXES or (suffix == ROS1_SUFFIX and name == path.name):
        return suffix
    return None


def storage_stem(path: Path) -> str:
    """The name of a storage file without its suffixes."""
    return Path(path.name.removesuffix(PACKED_SUFFIX)).stem


def _reader(file: Path, stack: ExitStack, notes: list[str]) -> Reader:
    if file.suffix == ROS1_SUFFIX:
        return Rosbag1Reader(file)
    path = _unpacked(file, stack, notes) if file.suffix == PACKED_SUFFIX else file
    if path.suffix == '.db3':
        database = _checkpointed(path, stack, notes)
        _refuse_programs(database)
        return Rosbag2Reader(_plainly_named(database, stack))
    _refuse_ros1_messages(path, file)
    patient, lost = mended(path)
    if lost is not None:
        notes.append(f'{file}: the recorder did not finish this file; {lost} bytes at its end lost')
    return Rosbag2Reader(patient)


def _raw_messages(
    reader: Reader, connections: Sequence[Connection]
) -> Iterable[tuple[Connection, int, bytes]]:
    """Messages in time order, or in the file's order where an MCAP file has no index."""
    if isinstance(reader, Rosbag2Reader):
        storage = reader.storage
        if isinstance(storage, McapReader) and not storage.chunks:
            return storage.messages_scan(connections)
    return reader.messages(connections)


def _temporary_folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='mm_perception_')))


def _unpacked(file: Path, stack: ExitStack, notes: list[str]) -> Path:
    """Decompress a file-compressed storage file, as far as it goes."""
    target = _temporary_folder(stack) / file.name.removesuffix(PACKED_SUFFIX)
    try:
        with zstd.open(file, 'rb') as packed, target.open('wb') as unpacked:
            try:
                shutil.copyfileobj(packed, unpacked)
            except EOFError:
                notes.append(f'{file}: the compressed file is cut off; reading what is there')
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise RecordingError(
            f'{file}: cannot be unpacked into {target.parent.parent}: {error.strerror}; it needs '
            f'{_room_for(file)} there: make room, or name another folder with TMPDIR'
        ) from error
    return target


def _room_for(file: Path) -> str:
    """Say how much a packed file unpacks to, as far as it tells."""
    with file.open('rb') as packed:
        size = zstd.get_frame_info(packed.read(_FRAME_HEADER)).decompressed_size
    if size is None:
        return f'several times its {file.stat().st_size / 1e6:.1f} MB'
    return f'{size / 1e6:.1f} MB'


def _checkpointed(file: Path, stack: ExitStack, notes: list[str]) -> Path:
    """Bring in what a killed recorder left beside the database, in a copy."""
    sidecars = [
        sidecar
        for suffix in _SIDECARS
        if (sidecar := file.with_name(file.name + suffix)).is_file() and sidecar.stat().st_size
    ]
    if not sidecars:
        return file
    folder = _temporary_folder(stack)
    for path in (file, *sidecars):
        shutil.copyfile(path, folder / path.name)
    connection = sqlite3.connect(folder / file.name)
    try:
        connection.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()
        connection.execute('PRAGMA journal_mode=DELETE').fetchall()
    finally:
        connection.close()
    notes.append(f'{file}: the recorder did not close it; {sidecars[0].name} was read too')
    return folder / file.name


def _plainly_named(file: Path, stack: ExitStack) -> Path:
    """Give the file a name that rosbags can put into a URI, which it does without quoting."""
    if not {'%', '?', '#'} & {*str(file)}:
        return file
    link = _temporary_folder(stack) / 'recording.db3'
    link.symlink_to(file.resolve())
    return link


def _refuse_ros1_messages(path: Path, file: Path) -> None:
    """Refuse what is a sound MCAP file, but of messages that ROS 1 has serialised.

    Args:
        path: The file, unpacked.
        file: What the user gave.

    """
    with path.open('rb') as mcap:
        mcap.seek(_PROFILE_AT)
        if mcap.read(len(_ROS1_PROFILE)) == _ROS1_PROFILE:
            raise RecordingError(
                f'{file}: holds ROS 1 messages, as `mcap convert` leaves them; give the .bag that '
                'it was made from'
            )


def _refuse_programs(file: Path) -> None:
    """Refuse a database whose tables compute what they hold: it may compute for ever."""
    connection = sqlite3.connect(f'{file.resolve().as_uri()}?immutable=1', uri=True)
    try:
        schema = connection.execute('SELECT sql FROM sqlite_master').fetchall()
    finally:
        connection.close()
    if any(sql and _COMPUTES.search(str(sql)) for (sql,) in schema):
        raise ValueError('its tables are no recording, but views or computed columns')


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Give whatever goes wrong inside a damaged file one name."""
    try:
        yield
    except RecordingError:
        raise
    except OSError as error:
        raise RecordingError(f'{file}: cannot be read: {error.strerror or error}') from error
    # rosbags checks much, but damaged bytes still surface as struct, key, decoder and SQLite errors
    # and as assertions; to the user each means the same.
    except Exception as error:
        cause = ' '.join(str(error).split()) or type(error).__name__
        repair = _REPAIRS[cast('str', storage_suffix(file))]
        raise RecordingError(
            f'{file}: the file is damaged or cut off ({cause}); mend it with {repair} '
            'or leave it out'
        ) from error
