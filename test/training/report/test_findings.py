# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evaluation.evaluate import Scores
from training.report.findings import (
    Confusion,
    RecordingScore,
    by_class,
    by_recording,
    confusions,
    misclassified,
    mistaken,
    reliability,
    verdicts,
)


@st.composite
def scores(draw: st.DrawFn) -> Scores:
    """Draw scores of few distinct values, so that equal confidences are common."""
    classes = draw(st.integers(2, 5))
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, classes - 1),
                st.lists(st.integers(0, 3), min_size=classes, max_size=classes).filter(any),
            ),
            min_size=1,
            max_size=40,
        )
    )
    weights = np.array([row for _, row in rows], dtype=np.float64)
    return Scores(np.array([t for t, _ in rows]), weights / weights.sum(axis=1, keepdims=True))


@given(scores())
def test_misclassified_are_exactly_the_wrong_frames_most_confident_first(each: Scores) -> None:
    found = misclassified(each).tolist()
    assert sorted(found) == [
        i
        for i, row in enumerate(each.probabilities)
        if max(range(len(row)), key=row.__getitem__) != each.truth[i]
    ]
    assert found == sorted(found, key=lambda i: (-each.probabilities[i].max(), i))


@given(scores())
def test_gaps_of_the_reliability_diagram_add_up_to_the_calibration_error(each: Scores) -> None:
    bins = reliability(each)
    gap = sum(b.share * abs(b.accuracy - b.confidence) for b in bins)
    assert gap == pytest.approx(each.calibration_error, abs=1e-12)
    assert sum(b.share for b in bins) == pytest.approx(1)
    assert [b.confidence for b in bins] == sorted(b.confidence for b in bins)


@given(scores())
def test_the_classes_shares_weighted_by_their_frames_are_the_accuracy(each: Scores) -> None:
    frames = each.confusion.sum(axis=1)
    shares = by_class(each)
    assert [share is None for share in shares] == [n == 0 for n in frames]
    right = sum(share * n for share, n in zip(shares, frames, strict=True) if share is not None)
    assert right / len(each.truth) == pytest.approx(each.accuracy)


def test_recordings_are_counted_least_accurate_first_and_names_break_ties() -> None:
    each = Scores(np.array([0, 0, 1, 1, 1]), np.eye(2)[[0, 1, 0, 1, 1]])
    assert by_recording(each, ['b', 'b', 'a', 'a', 'c']) == [
        RecordingScore('a', frames=2, right=1),
        RecordingScore('b', frames=2, right=1),
        RecordingScore('c', frames=1, right=1),
    ]


def test_confusions_name_the_most_frequent_mistakes_and_never_what_is_right() -> None:
    each = Scores(np.array([0, 0, 0, 0, 1, 2]), np.eye(3)[[0, 2, 2, 1, 0, 2]])
    assert confusions(each, 2) == [Confusion(0, 2, 2, 4), Confusion(0, 1, 1, 4)]
    assert confusions(each, 9) == [
        Confusion(0, 2, 2, 4),
        Confusion(0, 1, 1, 4),
        Confusion(1, 0, 1, 1),
    ]


@given(scores(), st.data())
def test_every_frame_is_in_exactly_one_verdict(each: Scores, data: st.DataObject) -> None:
    """Whatever the modes say: the same answers, or each frame's turned around."""
    order = data.draw(st.permutations(range(each.probabilities.shape[1])))
    modes = {
        'rgbd': each,
        'rgb': Scores(each.truth, each.probabilities[:, order]),
        'depth': Scores(each.truth, each.probabilities[:, ::-1]),
    }
    found = {verdict.name: verdict.frames for verdict in verdicts(modes)}
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(len(each.truth)))
    right = {mode: s.predicted == s.truth for mode, s in modes.items()}
    ways = {
        'all right': (True, True, True),
        'depth wrong': (True, True, False),
        'rgb wrong': (True, False, True),
        'rescued': (True, False, False),
        'all wrong': (False, False, False),
    }
    for name, expected in ways.items():
        told = {tuple(right[m][f] for m in ('rgbd', 'rgb', 'depth')) for f in found[name]}
        assert told <= {expected}
    assert not right['rgbd'][found['spoiled']].any()
    assert (right['rgb'] | right['depth'])[found['spoiled']].all()


def test_a_verdict_begins_with_what_the_eye_at_fault_was_surest_of() -> None:
    truth = np.zeros(3, int)
    right = Scores(truth, np.array([[0.6, 0.4]] * 3))
    wrong = Scores(truth, np.array([[0.4, 0.6], [0.1, 0.9], [0.3, 0.7]]))
    found = {v.name: v.frames for v in verdicts({'rgbd': right, 'rgb': right, 'depth': wrong})}
    assert found['depth wrong'].tolist() == [1, 2, 0]


def test_one_eye_has_nothing_to_differ_from() -> None:
    each = Scores(np.array([0, 1]), np.eye(2))
    assert verdicts({'rgb': each}) == []


@given(scores())
def test_the_frames_of_the_mistaken_pairs_are_the_misclassified_ones(each: Scores) -> None:
    pairs = confusions(each, 99)
    frames = [mistaken(each, pair) for pair in pairs]
    assert [len(found) for found in frames] == [pair.count for pair in pairs]
    together = [frame for found in frames for frame in found.tolist()]
    assert sorted(together) == sorted(misclassified(each).tolist())
