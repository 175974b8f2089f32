# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from training.drawing import DPI
from training.fitting.climb import Epoch
from training.report.curves_picture import curves_picture

BLUE = (0, 114, 178)


def pixels(png: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1].astype(np.uint8)


def history(epochs: int, *names: str) -> list[Epoch]:
    return [Epoch(e, dict.fromkeys(names, 1 / e)) for e in range(1, epochs + 1)]


@pytest.mark.parametrize(('names', 'rows'), [('abc', 1), ('abcd', 2)])
def test_every_term_has_a_panel_and_three_stand_in_a_row(names: str, rows: int) -> None:
    image = pixels(curves_picture(history(4, *names)))
    assert (rows - 0.4) * 1.9 * DPI < image.shape[0] < (rows + 0.4) * 1.9 * DPI


def test_the_loss_stands_out_and_is_drawn_as_it_went() -> None:
    falling = pixels(curves_picture(history(40, 'loss', 'L')))
    blue = (falling == np.array(BLUE, np.uint8)).all(axis=2)
    columns = np.flatnonzero(blue.any(axis=0))
    heights = [np.flatnonzero(blue[:, c]).mean() for c in columns[:: len(columns) // 5]]
    assert heights == sorted(heights)  # a picture's rows are counted downwards


def test_a_fit_of_one_epoch_leaves_a_dot() -> None:
    assert (pixels(curves_picture(history(1, 'loss'))) == np.array(BLUE)).all(axis=2).any()
