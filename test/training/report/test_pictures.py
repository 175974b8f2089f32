# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.evaluation.evaluate import Scores
from training.evaluation.trust import Evidence, Findings
from training.recipe import Rates
from training.report.pictures import (
    DPI,
    _apart,
    confusion_picture,
    efficiency_picture,
    reliability_picture,
    thumbnail_picture,
    trust_picture,
)

BLUE, VERMILION, NO_FRAMES = (0, 114, 178), (213, 94, 0), (235, 235, 235)


def pixels(png: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[..., ::-1].astype(np.uint8)


def share_of(image: NDArray[np.uint8], colour: tuple[int, int, int]) -> float:
    return float((image == np.array(colour, np.uint8)).all(axis=2).mean())


def certain(truth: list[int], predicted: list[int], classes: int) -> Scores:
    return Scores(np.array(truth), np.eye(classes)[predicted])


def test_confusion_is_blue_where_right_vermilion_where_wrong_and_grey_without_frames() -> None:
    right = pixels(confusion_picture(certain([0, 1, 2], [0, 1, 2], 3), ['a', 'b', 'c']))
    assert share_of(right, BLUE) > 0.05
    assert share_of(right, VERMILION) == 0
    assert share_of(right, NO_FRAMES) < 0.01  # the edges of letters have every grey
    wrong = pixels(confusion_picture(certain([0, 1], [1, 0], 3), ['a', 'b', 'c']))
    assert share_of(wrong, VERMILION) > 0.05
    assert share_of(wrong, NO_FRAMES) > 0.05
    assert share_of(wrong, BLUE) == 0


def test_one_wrong_frame_of_fifty_can_be_seen() -> None:
    scores = certain([0] * 50, [0] * 49 + [1], 2)
    image = pixels(confusion_picture(scores, ['a', 'b']))
    strength = np.sqrt(1 / 50)
    tint = tuple(round(255 - strength * (255 - c)) for c in VERMILION)
    assert share_of(image, (tint[0], tint[1], tint[2])) > 0.01


def test_class_names_are_drawn_as_they_are_never_as_formulas() -> None:
    scores = certain([0, 1], [0, 1], 2)
    plain = confusion_picture(scores, ['a', 'b'])
    assert confusion_picture(scores, ['$a$', 'b']) != plain
    assert confusion_picture(scores, [r'$\frac{', 'b']) != plain  # no formula: would be refused


def test_fifty_one_classes_keep_cells_that_hold_a_number(
    make_scores: Callable[..., Scores],
) -> None:
    truth = np.arange(51).repeat(4)
    scores = make_scores(truth, 51, 6.0, 0)
    picture = confusion_picture(scores, [f'class number {i}' for i in range(51)])
    assert pixels(picture).shape[1] > 51 * 0.2 * DPI


def test_same_scores_give_the_same_bytes(make_scores: Callable[..., Scores]) -> None:
    scores = {'rgbd': make_scores(np.arange(4).repeat(9), 4, 1.0, 0)}
    assert reliability_picture(scores) == reliability_picture(scores)


@pytest.mark.parametrize('modes', [1, 2, 3])
def test_reliability_grows_by_a_panel_a_mode(
    modes: int, make_scores: Callable[..., Scores]
) -> None:
    each = make_scores(np.arange(4).repeat(9), 4, 1.0, 0)
    names = ['rgbd', 'rgb', 'depth'][:modes]
    image = pixels(reliability_picture(dict.fromkeys(names, each)))
    assert (modes - 0.5) * 3.1 * DPI < image.shape[1] < (modes + 0.5) * 3.1 * DPI
    for colour in (BLUE, VERMILION, (0, 158, 115))[:modes]:
        assert share_of(image, colour) > 0


def test_efficiency_draws_modes_that_were_not_measured_at_every_point() -> None:
    both = [(10, {'rgbd': 0.5}), (100, {'rgbd': 0.9, 'rgb': 0.7})]
    image = pixels(efficiency_picture(both))
    assert share_of(image, BLUE) > 0
    assert share_of(image, VERMILION) > 0
    assert efficiency_picture(both[::-1]) == efficiency_picture(both)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_labels_of_the_logarithmic_axis_keep_their_distance(counts: list[int]) -> None:
    chosen = _apart(counts)
    assert set(chosen) <= set(counts)
    assert chosen[0] == min(counts)
    length = np.log(max(counts) / min(counts)) if len(chosen) > 1 else 1
    # A label of six digits takes about a twentieth of the axis.
    assert all(gap > 0.05 * length for gap in np.diff(np.log(chosen)))


def test_a_thumbnail_keeps_its_pixels_and_a_large_one_is_made_smaller() -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(pixels(thumbnail_picture(small)), small)
    tall = np.full((160, 40, 3), (250, 20, 90), np.uint8)
    assert pixels(thumbnail_picture(tall)).shape == (80, 20, 3)
    assert share_of(pixels(thumbnail_picture(tall)), (250, 20, 90)) == 1


def test_trust_picture_has_what_is_strange_only_where_there_was_some() -> None:
    steps = np.linspace(0.1, 2, 40)
    nothing = np.empty(0)

    def found(unknown: NDArray[np.float64]) -> Findings:
        evidence = Evidence({'rgb': steps}, ['a'] * 40, {'rgb': unknown}, nothing, nothing)
        return Findings(evidence.thresholds(Rates()), evidence)

    plain, strange = pixels(trust_picture(found(nothing))), pixels(trust_picture(found(steps + 2)))
    assert 0 < share_of(plain, VERMILION) < share_of(strange, VERMILION)
    assert share_of(plain, BLUE) == 0  # one sensor: there are no pairs
