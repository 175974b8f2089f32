# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real small bags to damage, and what is promised of every recording that is read."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import recorder
from fuzz.frames import check_frame
from fuzz.promises import attempt
from fuzz.scratch import folder, written

from training.recordings.bags import STRING, find_recordings

if TYPE_CHECKING:
    from pathlib import Path

    from training.recordings.bags import Recording


def read(path: Path) -> None:
    """Find what is there, and read all of it."""
    for recording in attempt(lambda: find_recordings([path])) or ():
        attempt(lambda recording=recording: _observe(recording))
        for topic in recording.topics_of(STRING):
            attempt(lambda recording=recording, topic=topic: recording.strings(topic))


def read_file(suffix: str, data: bytes) -> None:
    """Read a file of these bytes; the first tells whether it is packed."""
    packed = '.zstd' if data[:1] == b'\x01' else ''
    path = written(f'bag{suffix}{packed}', data[1:])
    try:
        read(path)
    finally:
        path.unlink()


def _observe(recording: Recording) -> None:
    for received, observation in recording.received_observations():
        assert isinstance(received, int)
        for frame in observation.frames.values():
            check_frame(frame)


@cache
def recorded(kind: str, frames: int = 2) -> bytes:
    """A recording of a pair or two, with labels, as its one storage file."""
    said = [recorder.text('/label', recorder.START, 'mug'), *recorder.rgbd(frames)]
    said.append(recorder.camera_info('/camera/rgb/camera_info', recorder.START, 500))
    path = recorder.record(folder() / 'seeds' / kind.replace(' ', '_'), said, kind)
    return recorder.storage_file(path).read_bytes()
