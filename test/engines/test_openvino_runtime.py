# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import pytest

from mm_perception.engines.openvino_runtime import is_installed


@pytest.mark.skipif(not is_installed(), reason='OpenVINO is not installed')
def test_openvino_reports_its_use_to_nobody() -> None:
    program = (
        'import sys; from mm_perception.engines.openvino_runtime import precisions; precisions(); '
        'import openvino.tools.ovc; '
        'print([n for n in sys.modules if n.startswith("openvino_telemetry.")])'
    )
    done = subprocess.run([sys.executable, '-c', program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == '[]'
