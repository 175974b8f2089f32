# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle

from mm_perception import tracing
from mm_perception.classifier import Classifier
from mm_perception.features import BackboneSettings, load_backbone
from mm_perception.observation import Frame, Modality, Observation

COLOUR = Frame(
    Modality.RGB, 10, 'camera', np.random.default_rng(0).integers(0, 256, (60, 80, 3), 'u1')
)


@contextmanager
def beside(work: object) -> Iterator[list[Exception]]:
    """Do something over and over on another thread; give what it raised."""
    raised: list[Exception] = []
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            try:
                work()  # type: ignore[operator]
            except Exception as error:  # noqa: BLE001, PERF203 - whatever it is, each time
                raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        over.set()
        thread.join()


def test_a_camera_is_labelled_while_another_ones_network_is_read(tmp_path: Path) -> None:
    classifier = Classifier(make_bundle(tmp_path / 'bundle'), 'cpu')
    with beside(lambda: classifier.classify(Observation.of(COLOUR))) as raised:
        for seed in range(3):
            load_backbone(BackboneSettings(name='squeezenet1_0', weights='random', seed=seed))
    assert raised == []


def test_networks_are_read_side_by_side() -> None:
    settings = BackboneSettings(name='squeezenet1_0', weights='random')
    with beside(lambda: load_backbone(settings)) as raised:
        for _ in range(3):
            load_backbone(settings)
    assert raised == []


def test_what_hangs_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, '_PATIENCE', 0.01)
    with tracing.computing(), tracing.tracing(), tracing.computing():
        pass
