# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labels changed, and written as the CSV file that ``from_csv`` reads."""

from __future__ import annotations

import csv
import io
import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from mm_perception.health import NS
from training.recordings.labels import COLUMNS, Labels, Span

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def painted(spans: Iterable[Span], start: int, end: int, label: str | None) -> list[Span]:
    """Give a while another label, or none, whatever it had before; the rest stays.

    Args:
        spans: A recording's labels.
        start: Nanoseconds from the recording's start.
        end: The first nanosecond that stays as it is.
        label: The class; None takes labels away.

    """
    kept = [] if label is None else [Span(start, end, label)]
    for span in spans:
        if span.start < start:
            kept.append(replace(span, end=start if span.end is None else min(span.end, start)))
        if span.end is None or span.end > end:
            kept.append(replace(span, start=max(span.start, end)))
    return sorted(kept, key=lambda span: span.start)


def csv_of(labels: Labels) -> str:
    """Write labels as text; a label that holds to the recording's end has to say when that is."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator='\n')
    writer.writerow(COLUMNS)
    for name, spans in sorted(labels.spans.items()):
        for span in spans:
            assert span.end is not None  # noqa: S101 - from_csv gives none, nor does painting
            writer.writerow([name, _seconds(span.start), _seconds(span.end), span.label])
    return file.getvalue()


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file's content; it is on the disk when this returns.

    Whatever happens meanwhile, power cuts included, the file holds the old content or the new.

    Raises:
        OSError: It cannot be written, and holds what it held.

    """
    target = path.resolve()  # a link stays one
    partial = target.with_name(f'.{target.name}.partial')
    try:
        with partial.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            partial.chmod(target.stat().st_mode)
        partial.replace(target)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _sync(folder: Path) -> None:
    """Have the disk keep a folder's new names; not every file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _seconds(ns: int) -> str:
    """Write nanoseconds as seconds, exactly."""
    return f'{ns // NS}.{ns % NS:09d}'.rstrip('0').rstrip('.')
