# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any bytes are a camera preset, or are refused in one line that names the file."""

from __future__ import annotations

from fuzz.promises import attempt
from fuzz.scratch import folder, written
from fuzz.yaml_seeds import BOMBS, shipped

from mm_perception.interface.cameras import INPUTS, load_camera
from mm_perception.interface.parameters import check


def target(data: bytes) -> None:
    path = written('preset.yaml', data)
    camera = attempt(lambda: load_camera(str(path), folder()))
    if camera is None:
        return
    assert set(camera.remappings) <= set(INPUTS)
    for topic in camera.remappings.values():
        assert topic.isprintable()
    for name, value in camera.parameters.items():
        assert check(name, value) == value


def seeds() -> list[bytes]:
    return [
        *shipped('cameras'),
        *BOMBS,
        *(b'remappings: {}\nparameters: {slop: ' + value + b'}' for value in (b'1:1', *BOMBS)),
        b'remappings: {rgb/image: "\\ud800"}\nparameters: {}',
    ]
