# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every error a user can meet.

A message is one line: the thing at fault (a path, a topic, a parameter), what is wrong with it,
and the way out. Executables print it and exit with code 2; nothing has been written over by then.
"""

from __future__ import annotations


class MMPerceptionError(Exception):
    """Base of every error below; catching it catches all that a user's input can cause."""


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
