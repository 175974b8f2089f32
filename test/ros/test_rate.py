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

SECONDS = 5.0


def test_label_costs_less_than_half_of_what_the_usual_way_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_random_bundle(tmp_path / 'bundle', 'alexnet')
    usual = live_rate([*USUAL, str(bundle)], SECONDS)
    small = live_rate(ours(bundle, 'openvino', 'int8'), SECONDS)
    with capsys.disabled():
        table('alexnet', {'the usual way': usual, 'openvino int8': small})
    assert 2 * small.processor < usual.processor
    assert small.rate > 10
