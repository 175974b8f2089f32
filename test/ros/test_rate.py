# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own comparison in short, so that no change makes the node slow unseen.

A ratio of two runs on this machine, one after the other; `make bench` measures, this only guards.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip('nncf', reason='NNCF is not installed')

from live_rate import USUAL, live_rate, ours, table
from random_bundle import make_random_bundle

SECONDS = 3.0


def test_label_costs_clearly_less_than_the_usual_way_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_random_bundle(tmp_path / 'bundle', 'alexnet')
    usual = live_rate([*USUAL, str(bundle)], SECONDS)
    small = live_rate(ours(bundle, 'openvino', 'int8'), SECONDS)
    with capsys.disabled():
        table('alexnet', {'the usual way': usual, 'openvino int8': small})
    assert 1.3 * small.processor < usual.processor  # torch's idle threads alone can make it 6
    assert small.rate > 10
