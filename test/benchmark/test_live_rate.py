# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labels a second from a camera of 640 × 480 pixels and 30 Hz, against the usual way.

The node, the camera and the listener are three processes on the same processors, as on a robot.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from live_rate import USUAL, Rate, live_rate, ours, table
from random_bundle import make_random_bundle

SECONDS = 20.0
ENGINES = {
    'torch float32': ('torch', 'float32'),
    'torch bfloat16': ('torch', 'bfloat16'),
    'openvino bfloat16': ('openvino', 'bfloat16'),
    'openvino int8': ('openvino', 'int8'),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize('backbone', ['vgg16', 'alexnet'])
def test_labels_a_second(backbone: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = make_random_bundle(tmp_path / 'bundle', backbone)
    rates: dict[str, Rate] = {'the usual way': live_rate([*USUAL, str(bundle)], SECONDS)}
    for name, (engine, precision) in ENGINES.items():
        rates[name] = live_rate(ours(bundle, engine, precision), SECONDS)
    with capsys.disabled():
        table(backbone, rates)
    usual, small = rates['the usual way'], rates['openvino int8']
    assert usual.processor > 3 * small.processor
    assert small.rate > usual.rate
