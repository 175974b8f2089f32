# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What is lacking before a fit is told as the fit would tell it."""

from __future__ import annotations

import numpy as np
import pytest

from training.labelling.desk import _advice
from training.labelling.frames import NONE


@pytest.mark.parametrize(
    ('frames', 'advice'),
    [
        ([[0, 0, 1], [0, 1, 1]], None),
        ([[0], [0, NONE], [1]], None),
        ([[0, 0, 1], [0, 2], [NONE]], 'the only one of a class: bowl or mug again'),
        ([[0], [1]], 'the only one of a class: bowl or cup again'),
        ([[0], [0]], 'two classes at least'),
    ],
)
def test_the_page_asks_for_a_recording_that_can_be_held_out(
    frames: list[list[int]], advice: str | None
) -> None:
    said = _advice([np.array(known) for known in frames], ['cup', 'bowl', 'mug'])
    assert said is None if advice is None else advice in str(said)
