# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which object a recording shows, and when: from a CSV file, a topic, or folder names.

Most moments may have no label: what is not labelled still trains the model.
"""

from __future__ import annotations

import bisect
import csv
import difflib
import itertools
import logging
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mm_perception.errors import LabelError
from mm_perception.health import NS
from mm_perception.observation import UNKNOWN
from training.recordings.bags import STRING
from training.recordings.finding import stem_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from training.recordings.bags import Recording

COLUMNS = ('bag', 'start', 'end', 'label')
"""What a label file's header must name, in any order; further columns are not read."""

_LOGGER = logging.getLogger(__name__)
_TOLERANCE = 1.0  # seconds by which a row may end after its bag: people round up
_NUMBER = re.compile(r'_\d+$')
_RECORDER_NAME = re.compile(
    r'(?:rosbag2_)?\d{4}[-_]\d\d[-_]\d\d.*'
)  # `ros2 bag record`, `rosbag record`


@dataclass(frozen=True)
class Span:
    """A label that holds for a while.

    Attributes:
        start: Nanoseconds from the recording's start.
        end: The first nanosecond at which it no longer holds; None holds to the recording's end.
        label: The object's class.

    """

    start: int
    end: int | None
    label: str


class Labels:
    """The labels of recordings; different labels must not overlap.

    Attributes:
        spans: By recording name, in the order of their start.

    """

    def __init__(self, spans: Mapping[str, Iterable[Span]] | None = None) -> None:
        self.spans = {name: _merged(given) for name, given in (spans or {}).items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """Every label that occurs, sorted."""
        return tuple(sorted({s.label for spans in self.spans.values() for s in spans}))

    def at(self, recording: str, since_start: int) -> str | None:
        """The label of a moment, or None.

        Args:
            recording: The recording's name.
            since_start: Nanoseconds from the recording's start.

        """
        spans = self.spans.get(recording, [])
        index = bisect.bisect_right(spans, since_start, key=lambda span: span.start) - 1
        holds = index >= 0 and since_start < _end(spans[index])
        return spans[index].label if holds else None


def from_csv(path: Path, recordings: Sequence[Recording]) -> Labels:
    """Read a CSV file of ``bag,start,end,label``; times are seconds from the bag's start.

    A bag is named by `Recording.name`, or by its folder's or file's name, with or without suffix
    or the folder that holds it: files that were written for other recordings beside it are read,
    too. Of several the one below the label file's folder is meant. A row holds from its start until
    just before its end.

    Args:
        path: The file, UTF-8.
        recordings: All that it may name.

    Raises:
        LabelError: With the line: an unknown bag, a time that is no number or outside the bag, an
            empty or reserved label, a row given twice, rows of different labels that overlap.

    """
    rows: dict[str, dict[Span, int]] = defaultdict(dict)  # and the line that each came from
    for line, row in _rows(path):
        where = f'{path}:{line}'
        recording = _named(row['bag'], recordings, path, where)
        span = _span(row, recording, where)
        if span in rows[recording.name]:
            first = rows[recording.name][span]
            raise LabelError(f'{where}: the same row as line {first}; remove one')
        rows[recording.name][span] = line
    for spans in rows.values():
        _refuse_overlap(path, spans)
    return Labels(rows)


def from_topic(topic: str, recordings: Sequence[Recording]) -> Labels:
    """Read a std_msgs/String topic; a label holds until the next, an empty text is none.

    Args:
        topic: Its name; recordings without it have no labels.
        recordings: Those to read.

    Raises:
        LabelError: No recording has the topic, or a label is reserved.
        RecordingError: A recording cannot be read.

    """
    having = [r for r in recordings if topic in r.topics_of(STRING)]
    if not having:
        there = sorted({name for r in recordings for name in r.topics_of(STRING)})
        raise LabelError(
            f'{topic}: no recording has this label topic; '
            f'std_msgs/String topics: {", ".join(there) or "none"}'
        )
    if len(having) < len(recordings):
        missing = [r.name for r in recordings if r not in having]
        _LOGGER.warning('%s: not in %s: these have no labels', topic, ', '.join(missing))
    return Labels({recording.name: _topic_spans(topic, recording) for recording in having})


def from_folder(recordings: Iterable[Recording]) -> Labels:
    """Take each recording's label from a folder's name, without a trailing ``_<number>``.

    The folder is the one that holds the recording, if it lies below the path that the user gave
    (``apple/monday.mcap`` → apple, ``apple_1/run/`` → apple); else it is the recording itself
    (``apple_1/`` → apple).

    Raises:
        LabelError: A name that tells no label, such as the recorder's own date.

    """
    return Labels({r.name: [Span(0, None, _folder_label(r))] for r in recordings})


def _rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    """Each row that is not blank, by column, with its line number."""
    try:
        with path.open(encoding='utf-8-sig', newline='') as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(path, header)
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    raise LabelError(
                        f'{path}:{reader.line_num}: {len(cells)} fields where the header has '
                        f'{len(header)}; quote a field that holds a comma'
                    )
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except OSError as error:
        raise LabelError(f'{path}: cannot be read: {error.strerror or error}') from error
    except UnicodeDecodeError as error:
        raise LabelError(f'{path}: not UTF-8; save it as CSV UTF-8') from error
    except csv.Error as error:
        raise LabelError(f'{path}:{reader.line_num}: not CSV: {error}') from error


def _check_header(path: Path, header: Sequence[str]) -> None:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise LabelError(
            f'{path}:1: the header lacks {", ".join(missing)}; it must be {",".join(COLUMNS)}, '
            'separated by commas'
        )
    if len(set(header)) < len(header):
        raise LabelError(f'{path}:1: the header names a column twice; it must be unique')


def _named(name: str, recordings: Sequence[Recording], file: Path, where: str) -> Recording:
    found = [r for r in recordings if r.name == name]
    found = found or [r for r in recordings if name in _other_names(r)]
    if len(found) > 1:
        folder = file.resolve().parent
        found = [r for r in found if r.path.resolve().is_relative_to(folder)] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise LabelError(
            f'{where}: bag {name!r} may be any of {", ".join(r.name for r in found)}; '
            'write one of these'
        )
    names = [r.name for r in recordings]
    near = difflib.get_close_matches(name, names, n=3) or sorted(names)[:3]
    raise LabelError(
        f'{where}: no bag {name!r} among the {len(names)} recordings given; '
        f'did you mean {" or ".join(near) or "another folder"}?'
    )


def _other_names(recording: Recording) -> set[str]:
    """What a recording may be called, among these or others."""
    stem, resolved = stem_of(recording.path), recording.path.resolve()
    return {recording.path.name, resolved.name, stem, f'{resolved.parent.name}/{stem}'}


def _span(row: Mapping[str, str], recording: Recording, where: str) -> Span:
    start, end = _seconds(row['start'], 'start', where), _seconds(row['end'], 'end', where)
    if end <= start:
        raise LabelError(f'{where}: end {end:g} is not after start {start:g}; swap or mend them')
    if start > recording.duration or end > recording.duration + _TOLERANCE:
        raise LabelError(
            f'{where}: {start:g}-{end:g} s is outside bag {recording.name!r}, which lasts '
            f'{recording.duration:.3f} s; times are seconds from the start of the bag'
        )
    return Span(round(start * NS), round(end * NS), checked_label(row['label'], where))


def _seconds(text: str, column: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise LabelError(f'{where}: {column} {text!r} is not a number of seconds') from error
    if not math.isfinite(value) or value < 0:
        raise LabelError(f'{where}: {column} {text!r} is not allowed; 0 or more seconds')
    return value


def checked_label(label: str, where: str) -> str:
    """Give the label back.

    Args:
        label: A class name.
        where: What names it, for the error.

    Raises:
        LabelError: It is empty, reserved, or cannot be printed.

    """
    if not label:
        raise LabelError(f'{where}: the label is empty; leave out what has no label')
    if label.casefold() == UNKNOWN:
        raise LabelError(
            f'{where}: the label {label!r} is reserved for what the robot does not know; '
            'leave out what has no label, or choose another word'
        )
    if not label.isprintable():
        raise LabelError(f'{where}: the label {label!r} holds characters that cannot be printed')
    return label


def _refuse_overlap(path: Path, lines: Mapping[Span, int]) -> None:
    """Refuse spans that overlap with different labels; the same label twice does no harm."""
    furthest: Span | None = None  # of the spans so far the one that ends last
    for span in sorted(lines, key=lambda span: span.start):
        if furthest and furthest.label != span.label and _end(furthest) > span.start:
            first, second = sorted((furthest, span), key=lambda one: lines[one])
            raise LabelError(
                f'{path}:{lines[second]}: {second.label!r} overlaps {first.label!r} of line '
                f'{lines[first]}; one moment has one label'
            )
        if furthest is None or _end(span) > _end(furthest):
            furthest = span


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Sorted spans, those of one label that meet or overlap made one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        last = merged[-1] if merged else None
        if last and last.label == span.label and span.start <= _end(last):
            longer = max(last, span, key=_end)
            merged[-1] = Span(last.start, longer.end, last.label)
        else:
            merged.append(span)
    return merged


def _end(span: Span) -> float:
    return math.inf if span.end is None else span.end


def _topic_spans(topic: str, recording: Recording) -> list[Span]:
    messages = [(time - recording.start, text.strip()) for time, text in recording.strings(topic)]
    ends = [start for start, _ in messages[1:]]
    spans = []
    for (start, text), end in itertools.zip_longest(messages, ends):
        if text and start != end:
            where = f'{recording.path}: {topic} at {start / NS:.3f} s'
            spans.append(Span(start, end, checked_label(text, where)))
    return spans


def _folder_label(recording: Recording) -> str:
    parent = recording.path.resolve().parent
    own_name = recording.path.resolve() == recording.root.resolve() or (
        parent == recording.root.resolve()
    )
    name = recording.name.rpartition('/')[2] if own_name else parent.name
    label = _NUMBER.sub('', name)
    if _RECORDER_NAME.fullmatch(name) or not any(c.isalpha() for c in label):
        raise LabelError(
            f'{recording.path}: the name {name!r} tells no label; '
            'put the recording in a folder named after its object'
        )
    return checked_label(label, str(recording.path))
