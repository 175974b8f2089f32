# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labels changed, and written as the CSV file that ``from_csv`` reads."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

from mm_perception.health import NS
from training.durable import replacing
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

    Raises:
        OSError: It cannot be written, and holds what it held.

    """
    target = path.resolve()  # a link stays one
    with replacing(target) as partial:
        partial.write_bytes(content)
        if target.exists():
            partial.chmod(target.stat().st_mode)


def _seconds(ns: int) -> str:
    """Write nanoseconds as seconds, exactly."""
    return f'{ns // NS}.{ns % NS:09d}'.rstrip('0').rstrip('.')
