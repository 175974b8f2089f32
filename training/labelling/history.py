# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The steps that can be taken back, kept in a file beside the labels.

A line a step, written before the labels are: what the labels were before, and the digest of the
label file as it is to be. So the lines up to the last whose digest is the file's own tell what was
done, wherever a power cut came; where none fits, others have written the file, and nothing can be
taken back.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.recordings.labels import Span


@dataclass(frozen=True)
class Step:
    """What a step changed.

    Attributes:
        before: The labels that it replaced, by recording.
        said: What it did, for a person.

    """

    before: Mapping[str, Sequence[Span]]
    said: str


class History:
    """The steps so far, the last one last.

    Attributes:
        path: Where they are kept.
        steps: Those that can be taken back.

    """

    def __init__(self, path: Path, digest: str) -> None:
        """Read what led to a label file.

        Args:
            path: Where steps are kept; need not be there.
            digest: Of the label file as it is.

        """
        self.path = path
        self.steps, self._size = _read(path, digest)
        self._noted: tuple[list[Step], int] = self.steps, self._size

    def note(self, done: Step, digest: str) -> None:
        """Write down a step that is about to be made; it counts once ``made`` is called.

        Args:
            done: What it changes.
            digest: Of the label file as the step will leave it.

        Raises:
            OSError: It cannot be written down.

        """
        before = {name: [[s.start, s.end, s.label] for s in b] for name, b in done.before.items()}
        self._write({'to': digest, 'before': before, 'said': done.said}, [*self.steps, done])

    def note_undo(self, digest: str) -> None:
        """Write down that the last step is about to be taken back; otherwise as ``note``."""
        self._write({'to': digest}, self.steps[:-1])

    def made(self) -> None:
        """Count what was noted last."""
        self.steps, self._size = self._noted

    def _write(self, line: Mapping[str, Any], steps: list[Step]) -> None:
        content = (json.dumps(line, ensure_ascii=False, separators=(',', ':')) + '\n').encode()
        with self.path.open('r+b' if self.path.exists() else 'w+b') as file:
            file.truncate(self._size)  # behind it may be a step that was noted and never made
            file.seek(self._size)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._noted = steps, self._size + len(content)


def digest_of(content: bytes) -> str:
    """Identify a label file's content."""
    return hashlib.sha256(content).hexdigest()


def _read(path: Path, digest: str) -> tuple[list[Step], int]:
    """Give the steps that led to a digest, and how much of the file tells of them."""
    steps: list[Step] = []
    fitting: tuple[list[Step], int] = [], 0
    size = 0
    try:
        for line in path.read_bytes().splitlines(keepends=True):
            told = json.loads(line)
            size += len(line)
            if 'before' in told:
                steps.append(_step(told))
            else:
                steps.pop()
            if told['to'] == digest:
                fitting = list(steps), size
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        pass  # cut off or not ours: what was read is as good as it is
    return fitting


def _step(told: Mapping[str, Any]) -> Step:
    before = {name: [Span(*span) for span in spans] for name, spans in told['before'].items()}
    return Step(before, str(told['said']))
