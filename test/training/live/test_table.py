# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The table says what the judge found, and marks what is not allowed."""

from __future__ import annotations

import io

import test_judge as hand
from rich.console import Console

from mm_perception.observation import Modality
from training.live.events import Event, Said
from training.live.judge import judge
from training.live.table import verdict_table


def printed(*events: Event, colour: bool = False) -> str:
    console = Console(file=io.StringIO(), width=80, force_terminal=colour, legacy_windows=False)
    console.print(verdict_table(judge(events, hand.always_a_mug)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return text if colour else ' '.join(text.replace('│', ' ').split())


def test_every_figure_stands_beside_what_is_allowed() -> None:
    text = printed(
        *hand.playing(1, {Modality.DEPTH: (300, 600)}),
        hand.label(281, rgb=200, depth=200),
        Said(wall=hand.wall(281), label='mug'),
        hand.label(480, rgb=400, inference=40),
        hand.label(560, rgb=500, inference=40, said='cap'),
        hand.label(720, rgb=600, depth=600),
    )
    assert 'accuracy from rgbd 100.0% of 2' in text
    assert 'accuracy from rgb 50.0% of 2' in text
    assert 'depth lost: fail-over 275 ms 290 ms' in text
    assert 'depth back: recovery 115 ms' in text
    assert 'latency p50 / p95 / max 78 ms / 110 ms / 115 ms' in text  # of 76, 80, 60 and 115
    assert 'inference from rgb, median 40 ms' in text
    assert 'labels a second 6.8' in text  # four in 439 ms
    assert 'labels said / explained 1 / 4' in text
    assert 'stale labels 0 0' in text
    assert 'busy' not in text


def test_what_is_not_allowed_is_red() -> None:
    silent = hand.playing(1, {Modality.DEPTH: (300, 600)})
    late = hand.frame(Modality.RGB, 950).model_copy(update={'late_ms': 80.0})
    text = printed(*silent, late, hand.label(600, rgb=200, depth=200), colour=True)
    red = [line for line in text.splitlines() if '\x1b[31m' in line]
    assert [line for line in red if 'fail-over' in line]
    assert [line for line in red if 'stale' in line]
    assert [line for line in red if 'late by' in line]
    assert not [line for line in red if 'unknown images' in line]


def test_session_without_truth_and_without_labels_is_printed_too() -> None:
    text = printed(*hand.playing(0.2))
    assert 'the recording tells no truth' in text
    assert 'latency p50 / p95 / max - / - / -' in text
