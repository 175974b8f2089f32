# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundles import make_bundle
from recorder import record, rgbd
from rich.console import Console

from mm_perception.bundle import Bundle
from mm_perception.classifier import Classifier
from mm_perception.engines import EngineSettings, Trial
from mm_perception.errors import BundleError, TrainingError
from mm_perception.manifest import FRAMES
from mm_perception.observation import Modality, Observation
from training.engines import trials
from training.engines.trials import EngineScores, Labelled, engines_table, try_engines
from training.material import BagOptions, Material, bag_material
from training.session import Setting

pytest.importorskip('nncf', reason='NNCF is not installed')


@pytest.fixture(scope='module')
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp('bags')
    for name in ('bowl_1', 'mug_1'):
        record(folder / name, rgbd(6), 'mcap')
    (folder / 'labels.csv').write_text('bag,start,end,label\nbowl_1,0,0.5,bowl\nmug_1,0,0.3,mug\n')
    return bag_material([folder], BagOptions())


def setting(path: Path) -> Setting:
    return Setting(path, torch.device('cpu'), path / 'unused', console=Console(quiet=True))


@pytest.fixture(scope='module')
def tried(
    tmp_path_factory: pytest.TempPathFactory, recordings: Material
) -> tuple[Path, list[EngineScores], str]:
    path = make_bundle(tmp_path_factory.mktemp('tried') / 'bundle')
    return path, *try_engines(path, setting(path), recordings, recordings)


def first(recordings: Material) -> Observation:
    return next(seen for _, seen in recordings.sources[0].observations(1))


def test_every_engine_is_scored_by_mode_against_the_reference(
    tried: tuple[Path, list[EngineScores], str],
) -> None:
    _, scores, _ = tried
    reference, *others = scores
    assert (reference.trial.engine, reference.trial.precision) == ('torch', 'float32')
    assert set(reference.agreement.values()) == {1.0}
    assert [s.trial.precision for s in others][-1] == 'int8'
    for each in scores:
        assert set(each.agreement) == set(each.accuracy) == {'rgbd', 'rgb', 'depth'}
        assert each.trial.milliseconds > 0
    assert engines_table(scores).row_count == len(scores)


def test_bundle_with_int8_is_whole_and_labels_with_it(
    tried: tuple[Path, list[EngineScores], str], recordings: Material
) -> None:
    path, scores, told = tried
    assert 'int8 is in' in told
    bundle = Bundle.load(path)
    quantized = bundle.manifest.quantized
    assert quantized is not None
    assert quantized.agreement == scores[-1].agreement
    assert set(bundle.manifest.files) >= quantized.files
    frames = bundle.frames()
    assert frames is not None
    assert set(frames) == set(Modality)
    small = Classifier(path, 'cpu', engines=EngineSettings('openvino', 'int8'))
    small.warm_up()
    assert small.engine == 'openvino int8'
    usual = Classifier(path, 'cpu')
    seen = first(recordings)
    scores_of = [list(c.classify(seen).probabilities.values()) for c in (small, usual)]
    np.testing.assert_allclose(*scores_of, atol=0.05)


@pytest.mark.long
def test_quantizing_anew_replaces_what_was_there(
    tried: tuple[Path, list[EngineScores], str], recordings: Material
) -> None:
    path, _, _ = tried
    before = Bundle.load(path).manifest
    try_engines(path, setting(path), recordings, recordings)
    after = Bundle.load(path).manifest
    assert set(after.files) == set(before.files)
    assert after.created == before.created


def test_int8_that_changes_labels_whatever_is_left_as_it_was_is_left_out(
    tried: tuple[Path, list[EngineScores], str],
    tmp_path: Path,
    recordings: Material,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, scores, _ = tried
    networks, attempts = Bundle.load(before).quantized_networks, []

    def noted(*given: Any) -> dict[Modality, Path]:
        attempts.append(given[-1])
        return networks  # which layers hurt is for test_quantization.py

    path = make_bundle(tmp_path / 'bundle')
    monkeypatch.setattr(trials, 'quantize', noted)
    monkeypatch.setattr(trials, '_scores', lambda *_: scores)  # as measured once
    monkeypatch.setattr(trials, '_allowed', lambda _: -1)  # as if not to change any were too many
    _, told = try_engines(path, setting(path), recordings, recordings)
    assert told.startswith('int8 is left out: in mode ')
    assert '\n' not in told
    assert Bundle.load(path).manifest.quantized is None
    assert attempts == [None, 0.01]


@pytest.mark.parametrize(
    ('frames', 'changed', 'lost', 'why'),
    [
        (1000, 5, 0, None),
        (1000, 6, 0, 'in mode rgb 6 of 1000 labels differ, and 5 may'),
        (480, 2, 2, None),
        (480, 3, 0, 'in mode rgb 3 of 480 labels differ, and 2 may'),
        (399, 2, 0, 'in mode rgb 2 of 399 labels differ, and 1 may'),
        (12, 1, 1, None),  # one frame of few tells nothing of a share
        (12, 2, 0, 'in mode rgb 2 of 12 labels differ, and 1 may'),
        (1000, 5, 4, 'in mode rgb 4 of 500 are lost, and 2 may'),
    ],
)
def test_int8_may_change_one_label_of_200_in_any_mode_and_lose_no_more_right_ones(
    frames: int, changed: int, lost: int, why: str | None
) -> None:
    labelled = frames // 2 if frames == 1000 else frames
    truth = np.array([0] * labelled + [-1] * (frames - labelled))
    trial = Trial(engine='openvino', precision='int8', milliseconds=1, error=0.01, usable=True)
    same = {'rgbd': 1.0, 'rgb': 1.0}
    reference = EngineScores(trial.model_copy(update={'precision': 'float32'}), same, same)
    small = EngineScores(
        trial, {**same, 'rgb': 1 - changed / frames}, {**same, 'rgb': 1 - lost / labelled}
    )
    assert trials._why_not([reference, small], Labelled({}, truth)) == why


def test_int8_that_could_not_be_tried_is_left_out() -> None:
    trial = Trial(engine='torch', precision='float32', milliseconds=1, error=0, usable=True)
    (only,) = [EngineScores(trial, {'rgb': 1.0}, {'rgb': 1.0})]
    why = trials._why_not([only], Labelled({}, np.zeros(9, np.int64)))
    assert why == 'it does not run on this machine'


def test_recordings_without_a_known_label_are_refused(tmp_path: Path, recordings: Material) -> None:
    path = make_bundle(tmp_path / 'bundle')
    unlabelled = Material(recordings.sources, lambda *_: 'spoon')
    with pytest.raises(TrainingError, match='--test: no labelled frame of a class'):
        try_engines(path, setting(path), recordings, unlabelled)


def test_network_that_is_damaged_is_named(
    tried: tuple[Path, list[EngineScores], str],
) -> None:
    path, _, _ = tried
    quantized = Bundle.load(path).manifest.quantized
    assert quantized is not None
    for name in quantized.files:
        file = path / name
        content = file.read_bytes()
        file.write_bytes(content[:-3])
        try:
            with pytest.raises(BundleError, match=name):
                Classifier(path, 'cpu')
        finally:
            file.write_bytes(content)
    assert FRAMES in quantized.files
