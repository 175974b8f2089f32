# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every error a user can meet.

A message is one line: the thing at fault (a path, a topic, a parameter), what is wrong with it,
and the way out. Executables print it and exit with code 2; nothing has been written over by then.
"""

from __future__ import annotations

_LONGEST = 2000  # characters: file names are long, and anything longer is no line


def one_line(text: str) -> str:
    """Shorten a text, and show a line's end or a terminal's command in it instead of obeying it."""
    shown = text if len(text) <= _LONGEST else f'{text[:_LONGEST]}…'
    return ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)


class MMPerceptionError(Exception):
    """Base of every error below; catching it catches all that a user's input can cause."""

    def __str__(self) -> str:
        """Show the message as one line, whatever the names in it that others have chosen."""
        return one_line(super().__str__())


class ImageError(MMPerceptionError):
    """An image message that cannot be read: unknown encoding, wrong step, short data."""


class StaleError(MMPerceptionError):
    """An observation none of whose sensors could be trusted until its label was made."""


class SettingsError(MMPerceptionError):
    """A parameter or recipe setting that is refused: its name, its value, and what is allowed."""


class WeightsError(MMPerceptionError):
    """Backbone weights that are missing or do not fit the network."""


class BundleError(MMPerceptionError):
    """A bundle that is missing, damaged, or of a format that this version does not read."""


class RecordingError(MMPerceptionError):
    """A bag that cannot be read, or holds no usable stream."""


class LabelError(MMPerceptionError):
    """Labels that are malformed, overlap, or name a recording that is not there."""


class TrainingError(MMPerceptionError):
    """A training run that cannot start or go on: too few labels, a checkpoint that does not fit."""
