# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which labels are worth a person's look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mm_perception.interface.diagnostics import disagree
from mm_perception.observation import UNKNOWN, Prediction

if TYPE_CHECKING:
    from mm_perception.serving.labelled import Labelled


def is_doubtful(labelled: Labelled, below: float, recent: Sequence[Prediction]) -> bool:
    """Whether a label, or one of several, is unsure.

    Args:
        labelled: What was said.
        below: The probability of the best class below which it is.
        recent: The last labels, this one among them. One pair in a hundred is contradictory by
            chance, so that the eyes disagree is told, as in diagnostics, by most of them.

    """
    main = labelled.prediction
    if main is None:
        return False  # there is no object
    said = [main, *(each.prediction for each in labelled.objects or ())]
    if any(p.label == UNKNOWN or p.confidence < below for p in said):
        return True
    return (main.contradiction or 0) > 1 and disagree(recent)
