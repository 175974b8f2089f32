# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from mm_perception.errors import TrainingError
from training.paper.digits.learning_curve import note, read_curve


def test_an_epoch_gone_through_again_counts_once_and_a_torn_line_not(tmp_path: Path) -> None:
    path = tmp_path / 'curve.csv'
    for epoch, accuracy in ((1, 50.0), (2, 60.0), (2, 61.0)):
        note(path, epoch, accuracy)
    with path.open('a') as file:
        file.write('3,7')
    assert read_curve(path) == {1: 50, 2: 61}
    note(path, 3, 70.5)
    assert read_curve(path) == {1: 50, 2: 61, 3: 70.5}
    assert path.read_text().endswith('2,61.0000\n3,70.5000\n')


def test_an_epoch_is_on_the_disk_before_anything_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, kept = tmp_path / 'curve.csv', []
    monkeypatch.setattr(os, 'fsync', lambda _: kept.append(path.read_text()))
    note(path, 1, 50.0)
    note(path, 2, 60.0)
    assert kept == ['1,50.0000\n', '1,50.0000\n2,60.0000\n']


@pytest.mark.parametrize('line', ['one,2', '1', '1,2,3', ''])
def test_a_line_that_is_no_epoch_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / 'curve.csv'
    path.write_text(f'1,50\n{line}\n2,60\n')
    with pytest.raises(TrainingError, match=r'curve\.csv, line 2: not an epoch .* delete the file'):
        read_curve(path)
