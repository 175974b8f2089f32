# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The labels while they are being made: changed step by step, each of them safe on the disk."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mm_perception.errors import LabelError
from mm_perception.health import NS
from training.labelling.history import History, Step, digest_of
from training.recordings.bags import Recording
from training.recordings.label_writing import csv_of, painted, write_whole
from training.recordings.labels import Labels, checked_label, from_csv

MOST_LETTERS = 80
"""Of a class name: more is a sentence that slipped in."""


@dataclass(frozen=True)
class Change:
    """A while of a recording gets another label.

    Attributes:
        recording: Its name.
        start: Nanoseconds from the recording's start.
        end: The first nanosecond that stays as it is.
        label: The class; None takes labels away.

    """

    recording: str
    start: int
    end: int
    label: str | None


class Book:
    """A label file and its steps; any thread may use it.

    Attributes:
        path: The CSV file, which need not be there yet.
        labels: What it holds.

    """

    def __init__(self, path: Path, recordings: Sequence[Recording]) -> None:
        """Open a label file.

        Args:
            path: The CSV file.
            recordings: All that it may name.

        Raises:
            LabelError: It cannot be read, or not be written.

        """
        self.path = path
        self.labels = Labels()
        self._recordings = recordings
        self._lock = threading.Lock()
        self._content = b''
        self._read()

    @property
    def steps(self) -> Sequence[Step]:
        """The steps that can be taken back, the last one last."""
        return tuple(self._history.steps)

    def step(self, changes: Sequence[Change], said: str) -> bool:
        """Make changes as one step.

        Args:
            changes: In their order.
            said: What the step does, for a person.

        Returns:
            Whether anything changed.

        Raises:
            LabelError: A label that is not allowed, a change that ends before it starts, or the
                file cannot be written: nothing changed.

        """
        for change in changes:
            _check_times(change)
            if change.label is not None:
                check_name(change.label)
        with self._lock:
            self._refuse_a_changed_file()
            spans = dict(self.labels.spans)
            for each in changes:
                had = spans.get(each.recording, [])
                spans[each.recording] = painted(had, each.start, each.end, each.label)
            touched = {each.recording for each in changes}
            before = {name: tuple(self.labels.spans.get(name, ())) for name in sorted(touched)}
            return self._become(Labels(spans), Step(before, said))

    def undo(self) -> Step:
        """Take the last step back, and give it.

        Raises:
            LabelError: There is none, or the file cannot be written: nothing changed.

        """
        with self._lock:
            self._refuse_a_changed_file()
            if not self._history.steps:
                raise LabelError('there is no step to take back')
            step = self._history.steps[-1]
            self._become(Labels({**self.labels.spans, **step.before}), None)
            return step

    def _become(self, labels: Labels, step: Step | None) -> bool:
        """Write the labels, and what led to them: None takes the last step back."""
        labels = Labels({name: spans for name, spans in labels.spans.items() if spans})
        if step is not None and labels.spans == self.labels.spans:
            return False
        content = csv_of(labels).encode()
        try:
            self._keep_what_others_wrote()
            if step is None:
                self._history.note_undo(digest_of(content))
            else:
                self._history.note(step, digest_of(content))
            write_whole(self.path, content)
        except OSError as error:
            reason = error.strerror or error
            raise LabelError(
                f'{self.path}: cannot be written: {reason}; nothing was changed, '
                'make room and repeat the step'
            ) from error
        self._history.made()
        self._content, self.labels = content, labels
        return True

    def _read(self) -> None:
        """Read the file anew.

        Raises:
            LabelError: It is not what it should be.

        """
        self._content = self._on_disk()
        self.labels = from_csv(self.path, self._recordings) if self._content.strip() else Labels()
        journal = self.path.with_name(f'{self.path.name}.undo')
        self._history = History(journal, digest_of(self._content))

    def _refuse_a_changed_file(self) -> None:
        """Never write over what another program has written meanwhile."""
        if self._on_disk() != self._content:
            self._read()
            raise LabelError(
                f'{self.path}: was changed by another program, and has been read again; '
                'look at it and repeat the step'
            )

    def _on_disk(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b''
        except OSError as error:
            raise LabelError(f'{self.path}: cannot be read: {error.strerror or error}') from error

    def _keep_what_others_wrote(self) -> None:
        """Copy a file with more in it than its labels, such as further columns."""
        if self._content.strip() and self._content != csv_of(self.labels).encode():
            shutil.copy2(self.path, _free(self.path.with_name(f'{self.path.name}.before')))


def check_name(label: str) -> None:
    """Refuse a class name that a label file cannot hold.

    Raises:
        LabelError: It is reserved, empty, too long, or not one line of text.

    """
    checked_label(label, 'this name')
    if label != label.strip() or len(label) > MOST_LETTERS:
        raise LabelError(
            f'this name: {label[:MOST_LETTERS]!r} begins or ends with a space, or has more than '
            f'{MOST_LETTERS} letters'
        )


def _check_times(change: Change) -> None:
    """Refuse a while that a label file cannot hold, as where a recording's times run backwards."""
    if change.end <= change.start:
        raise LabelError(
            f'{change.recording}: from {change.start / NS:g} to {change.end / NS:g} s is no while '
            'to label: its times run backwards; record it anew, or leave it out'
        )


def _free(path: Path) -> Path:
    """Find a name that nothing has: ``path``, ``path.2``, and so on."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f'{path.name}.{number}')
    return free
