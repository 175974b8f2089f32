# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Losses are read from the command line, refused in a line, and hold for their stretch."""

from __future__ import annotations

import pytest

from mm_perception.errors import SettingsError
from mm_perception.observation import Modality
from training.live.losses import Loss, is_silent


def test_words_become_a_loss() -> None:
    assert Loss.parse(['depth', '6', '10.5']) == Loss(Modality.DEPTH, 6.0, 10.5)


@pytest.mark.parametrize(
    'words',
    [
        ['sonar', '1', '2'],
        ['rgb', 'one', '2'],
        ['rgb', '1'],
        ['rgb', '2', '1'],
        ['rgb', '1', '1'],
        ['rgb', '-1', '1'],
        ['rgb', 'nan', '1'],
        ['rgb', '1', 'inf'],
    ],
)
def test_anything_else_is_refused_with_what_was_given(words: list[str]) -> None:
    with pytest.raises(SettingsError, match=f'lose {words[0]}'):
        Loss.parse(words)


def test_sensor_is_silent_from_the_start_until_just_before_the_end() -> None:
    losses = [Loss(Modality.DEPTH, 1, 2), Loss(Modality.DEPTH, 3, 4)]
    times = [999_999_999, 1_000_000_000, 1_999_999_999, 2_000_000_000, 3_500_000_000]
    silent = [is_silent(losses, Modality.DEPTH, time) for time in times]
    assert silent == [False, True, True, False, True]
    assert not any(is_silent(losses, Modality.RGB, time) for time in times)
    assert not any(is_silent(losses, None, time) for time in times)
