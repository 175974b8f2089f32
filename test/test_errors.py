# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mm_perception.errors import MMPerceptionError, RecordingError


@given(st.text())
def test_every_error_is_one_line_that_a_terminal_can_show(text: str) -> None:
    assert str(RecordingError(text)).isprintable()


def test_what_can_be_shown_stands_as_it_is() -> None:
    message = '/home/zoë/my  bags/mug_1: damaged'
    assert str(MMPerceptionError(message)) == message


def test_names_that_steer_a_terminal_are_shown_instead() -> None:
    assert str(MMPerceptionError('a\nb\x1b[2J')) == r'a\nb\x1b[2J'


def test_endless_names_are_cut() -> None:
    assert len(str(MMPerceptionError('x' * 100_000))) < 3000
