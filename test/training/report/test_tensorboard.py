# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mm_perception.errors import SettingsError
from training.evaluation.evaluate import Scores
from training.fitting.climb import Epoch
from training.recipe import read_recipe
from training.report.tensorboard import Log


def test_losses_accuracy_and_recipe_are_what_tensorboard_reads(tmp_path: Path) -> None:
    events = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator', reason='no tensorboard'
    )
    log = Log(tmp_path)
    log.epoch(Epoch(1, {'loss': 8.0, 'L': -3.0}))
    log.epoch(Epoch(2, {'loss': 4.0, 'L': -1.0}))
    log.end(read_recipe(Path('demo'), ['seed=7']), {'rgb': Scores(np.array([0, 1]), np.eye(2))})
    read = events.EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars('fit/loss')] == [(1, 8.0), (2, 4.0)]
    assert [e.value for e in read.Scalars('fit/L')] == [-3.0, -1.0]
    assert [e.value for e in read.Scalars('accuracy/rgb')] == [1.0]
    (content,) = {
        bytes(value)
        for tag, value in read.PluginTagToContent('hparams').items()
        if tag == '_hparams_/session_start_info'
    }
    assert b'optimisation.epochs' in content
    assert b'ss_hmvae_kl' in content


def test_losses_can_be_read_while_the_fit_goes_on(tmp_path: Path) -> None:
    events = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    log = Log(tmp_path)
    for epoch in (1, 2):
        log.epoch(Epoch(epoch, {'loss': 1.0}))
        read = events.EventAccumulator(str(tmp_path))
        read.Reload()
        assert len(read.Scalars('fit/loss')) == epoch


def test_a_missing_package_is_told_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [n for n in sys.modules if n.startswith('torch.utils.tensorboard')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'tensorboard', None)  # as where it is not installed
    with pytest.raises(SettingsError, match=r'--tensorboard: needs .* pip install tensorboard'):
        Log(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    pytest.importorskip('tensorboard')
    (tmp_path / 'file').touch()
    with pytest.raises(SettingsError, match=r'--tensorboard .*file/log: cannot be written'):
        Log(tmp_path / 'file' / 'log')
