# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import pytest

from mm_perception.interface.diagnostics import TRUST_WINDOW
from mm_perception.objects.boxes import Box
from mm_perception.objects.finding import LabelledObject, SceneObject
from mm_perception.observation import UNKNOWN, Observation, Prediction
from mm_perception.serving.labelled import Labelled
from mm_perception.uncertain.doubt import is_doubtful

BELOW = 0.7
BOX = Box(0.4, 0.4, 0.2, 0.2)


def said(best: float = 0.9, label: str = 'mug', contradiction: float | None = 0.5) -> Prediction:
    return Prediction(0, 'rgbd', label, {'mug': best, 'bowl': 1 - best}, 0.5, contradiction)


def doubtful(
    main: Prediction | None,
    objects: Sequence[Prediction] = (),
    before: Sequence[Prediction] = (),
) -> bool:
    scene = tuple(LabelledObject(SceneObject(1, BOX, BOX, carried=False), p) for p in objects)
    labelled = Labelled(Observation(0, {}), main, 0.0, 0.0, scene or None)
    return is_doubtful(labelled, BELOW, [*before, *([main] if main else [])][-TRUST_WINDOW:])


@pytest.mark.parametrize(
    ('prediction', 'expected'),
    [
        (said(0.9), False),
        (said(BELOW), False),
        (said(0.69), True),
        (said(0.99, UNKNOWN), True),
        (None, False),
    ],
)
def test_an_improbable_and_an_unknown_label_are_doubtful(
    prediction: Prediction | None, *, expected: bool
) -> None:
    assert doubtful(prediction) is expected


def test_one_unsure_object_of_many_is_enough() -> None:
    assert not doubtful(said(), [said(), said()])
    assert doubtful(said(), [said(), said(0.5)])
    assert doubtful(said(), [said(), said(0.9, UNKNOWN)])


def test_sensors_that_disagree_in_most_labels_are_doubtful_in_those_where_they_do() -> None:
    apart, together, alone = (said(contradiction=c) for c in (2.0, 0.5, None))
    most = [apart] * (TRUST_WINDOW - 1)
    assert doubtful(apart, before=most)
    assert not doubtful(together, before=most)
    assert not doubtful(alone, before=most)
    assert not doubtful(apart, before=[together] * (TRUST_WINDOW - 1)), 'one pair in 100 by chance'
    assert not doubtful(apart), 'the first label tells nothing of the others'
