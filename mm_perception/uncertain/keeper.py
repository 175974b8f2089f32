# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the frames of unsure labels, behind the label's back.

Deciding takes microseconds. Serialising and writing are a thread's of their own, which takes the
newest frame and lets the others go: a slow disk costs frames that would have been kept, never a
label. What goes wrong there is said, and tried again with the next frame.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_perception.errors import SettingsError
from mm_perception.interface.diagnostics import TRUST_WINDOW, Level, Status
from mm_perception.interface.parameters import settings_from
from mm_perception.observation import Modality, Prediction
from mm_perception.serving.worker import NewestWorker, Seat, Task
from mm_perception.uncertain.bounded_folder import BoundedFolder
from mm_perception.uncertain.doubt import is_doubtful
from mm_perception.uncertain.settings import UncertainSettings
from mm_perception.uncertain.small_bag import Message

if TYPE_CHECKING:
    from mm_perception.serving.labelled import Labelled, Received

_MEGABYTE = 1_000_000
_OFF = 'unsure frames are not kept: turned off'
_Frame = Mapping[Modality, 'Received']


class Keeper:
    """Keeps what was unsure; without a folder, nothing.

    ``consider`` is for the thread that labels, all else for the node's.

    """

    def __init__(
        self,
        values: Mapping[str, Any],
        packed: Callable[[Any], tuple[str, bytes]],
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without a folder.

        Args:
            values: Every parameter's value.
            packed: Gives a ROS message's type, and the message as CDR.
            warn: Told of what goes wrong, each time, by whichever thread.
            clock: Seconds that only ever grow.

        """
        self.adjust(values)
        self._packed, self._warn, self._clock = packed, warn, clock
        self._on = True
        self._topics: dict[Modality, tuple[str, str]] = {}
        self._folder: BoundedFolder | None = None  # from configure to close
        self._seat: Seat[None, None] | None = None  # at a thread, likewise
        self._recent: deque[Prediction] = deque(maxlen=TRUST_WINDOW)
        self._next = float('-inf')  # when a frame may be kept again
        self._finished = threading.Event()
        self._kept = self._lost = self._bytes = 0
        self._fault = ''

    def adjust(self, values: Mapping[str, Any]) -> None:
        """Take the parameters' new values; another folder counts from ``configure`` on."""
        self._settings = settings_from(UncertainSettings, values, 'uncertain_')

    def configure(self) -> None:
        """Check the folder, and be ready.

        Raises:
            SettingsError: There cannot be written into the folder.

        """
        self.close(0.0)
        self._topics = {}
        if not self._settings.folder:
            return
        folder = Path(self._settings.folder).expanduser()
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f'parameter uncertain_folder: {folder}: {error.strerror or error}; name a folder '
                'to write into, or one to be made in a folder that is there'
            ) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(
                f'parameter uncertain_folder: {folder}: may not be written into; name another'
            )
        self._folder = BoundedFolder(folder)
        self._kept = self._lost = self._bytes = 0
        self._fault, self._on = '', True
        worker: NewestWorker[None, None] = NewestWorker(_no_answers, 'uncertain')
        self._seat = worker.seat(partial(self._failed, self._folder))

    def hears(self, modality: Modality, image: str, camera_info: str) -> None:
        """Take note of the topics that a modality comes on.

        From then on no frame is kept without it: training refuses a bag that lacks an eye.
        """
        self._topics[modality] = image, camera_info

    def answer(self, request: Any, response: Any) -> Any:
        """Turn keeping on or off, as a ``std_srvs/SetBool``."""
        if request.data and self._folder is None:
            response.message = 'set the parameter uncertain_folder, then configure the node'
            return response
        self._on = bool(request.data)
        if not self._on:
            self.finish()
        response.success = True
        response.message = (
            f'unsure frames are kept in {self._settings.folder}' if self._on else _OFF
        )
        return response

    def consider(self, labelled: Labelled) -> None:
        """Keep an observation if its label is unsure, both its eyes are there, and it is time."""
        seat, folder = self._seat, self._folder
        if seat is None or folder is None or not self._on:
            return
        if labelled.prediction is not None:
            self._recent.append(labelled.prediction)
        now = self._clock()
        if now < self._next or self._topics.keys() != labelled.received.keys():
            return
        if is_doubtful(labelled, self._settings.below, tuple(self._recent)):
            self._next = now + self._settings.pause
            seat.submit(self._keep(folder, labelled.received))

    def finish(self) -> None:
        """Have the bag under way shown, soon."""
        if self._seat is not None and self._folder is not None:
            self._seat.submit(self._finish(self._folder))

    def close(self, patience: float) -> None:
        """Finish the bag under way if that takes no more than so many seconds, and stop."""
        if self._seat is not None:
            self._finished.clear()
            self.finish()
            self._finished.wait(patience)
            self._seat.close(0.0)
        self._seat = self._folder = None

    def statuses(self) -> list[Status]:
        """Describe what is kept for diagnostics; nothing where there is no folder."""
        folder, seat = self._folder, self._seat
        if folder is None or seat is None:
            return []
        values = {
            'kept': str(self._kept),
            'dropped': str(seat.replaced + self._lost),
            'megabytes': f'{self._bytes / _MEGABYTE:.1f}',
            'folder': str(folder.path),
        }
        if self._fault:
            return [Status('uncertain', Level.WARN, self._fault, values)]
        if not self._on:
            return [Status('uncertain', Level.OK, _OFF, values)]
        return [Status('uncertain', Level.OK, f'{self._kept} unsure frames kept', values)]

    def _keep(self, folder: BoundedFolder, frame: _Frame) -> Task[None, None]:
        """Write a frame; the thread of its own runs this, and has nothing to answer."""
        yield from ()
        if folder.write(self._messages(frame), self._settings.limit * _MEGABYTE):
            self._kept += 1
            self._fault = ''
        else:
            self._say(folder, 'one frame is larger than uncertain_limit; raise that')
        self._bytes = folder.size()

    def _finish(self, folder: BoundedFolder) -> Task[None, None]:
        """Finish the bag; likewise."""
        yield from ()
        try:
            folder.finish()
        finally:
            self._finished.set()

    def _messages(self, frame: _Frame) -> list[Message]:
        messages = []
        for modality, received in frame.items():
            image, camera_info = self._topics[modality]
            said = [(image, received.message), (camera_info, received.camera_info)]
            messages += [
                Message(topic, received.time, *self._packed(message))
                for topic, message in said
                if message is not None
            ]
        return messages

    def _failed(self, folder: BoundedFolder, error: Exception) -> None:
        known = isinstance(error, OSError) and error.strerror
        why = known or (str(error) if isinstance(error, sqlite3.Error) else repr(error))
        self._say(folder, f'{why}; make room there, or set another uncertain_folder')

    def _say(self, folder: BoundedFolder, why: str) -> None:
        self._lost += 1
        self._fault = f'unsure frames are not kept: {folder.path}: {why}'
        self._warn(self._fault)


def _no_answers(questions: Sequence[None]) -> list[None]:
    return [None for _ in questions]
