# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""An inference in stages ends each as soon as nobody waits for it."""

from __future__ import annotations

import numpy as np
import pytest
from bundles import make_bundle

from mm_perception.classifier import Classifier
from mm_perception.inference import InStages
from mm_perception.observation import Frame, Modality, Observation

RGB, DEPTH = Modality.RGB, Modality.DEPTH
SEEN = Observation.of(
    Frame(RGB, 1, 'eye', np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)),
    Frame(DEPTH, 1, 'eye', np.random.default_rng(0).uniform(0.5, 2, (60, 80)).astype(np.float32)),
)


@pytest.fixture(scope='module')
def stages(tmp_path_factory: pytest.TempPathFactory) -> InStages:
    classifier = Classifier(make_bundle(tmp_path_factory.mktemp('bundles') / 'bundle'), 'cpu')
    return InStages(classifier.pipeline, classifier.bundle.head)


def test_each_stage_is_timed(stages: InStages) -> None:
    (verdict,) = stages.judge([stages.prepare(SEEN)], [lambda _: True])
    assert verdict is not None
    assert verdict.mode == 'rgbd'
    assert [*stages.took] == ['rgb', 'depth', 'classify']
    assert min(stages.took.values()) > 0


def test_network_of_a_lost_sensor_is_run_for_whoever_still_has_it(stages: InStages) -> None:
    items = [stages.prepare(SEEN)] * 2
    found = stages.judge(items, [lambda _: True, lambda m: m is not DEPTH])
    assert [verdict.mode for verdict in found if verdict] == ['rgbd', 'rgb']


def test_network_that_nobody_waits_for_is_left(stages: InStages) -> None:
    asked = []

    def trusted(modality: Modality) -> bool:
        asked.append(modality)
        return modality is DEPTH or asked.count(RGB) < 4  # somewhere within its layers

    (verdict,) = stages.judge([stages.prepare(SEEN)], [trusted])
    assert verdict is not None
    assert verdict.mode == 'depth'
    whole = asked.count(DEPTH)
    assert asked.count(RGB) < whole / 2


def test_item_without_any_sensor_left_is_not_judged(stages: InStages) -> None:
    assert stages.judge([stages.prepare(SEEN)], [lambda _: False]) == [None]
