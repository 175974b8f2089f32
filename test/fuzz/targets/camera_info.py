# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any two sensor_msgs/CameraInfo are compared, or tell nothing: never a crash, one line of why."""

from __future__ import annotations

import struct
from types import SimpleNamespace

from fuzz.promises import attempt

from mm_perception.depth.registration import Intrinsics, View, misregistration

LAYOUT = struct.Struct('<2s2I9d')  # frame, width, height, k


def target(data: bytes) -> None:
    views = []
    for part in (data[: LAYOUT.size], data[LAYOUT.size : 2 * LAYOUT.size]):
        frame, width, height, *k = LAYOUT.unpack(part.ljust(LAYOUT.size, b'\0'))
        camera = Intrinsics.of(SimpleNamespace(width=width, height=height, k=k))
        views.append(View(frame.decode('latin1').strip('\0'), (width, height), camera))
    reason = attempt(lambda: misregistration(*views))
    assert reason is None or reason.isprintable()


def seeds() -> list[bytes]:
    vga = LAYOUT.pack(b'a', 640, 480, 525, 0, 320, 0, 525, 240, 0, 0, 1)
    hd = LAYOUT.pack(b'a', 1920, 1080, 1050, 0, 960, 0, 1050, 540, 0, 0, 1)
    nan = LAYOUT.pack(b'', 2**32 - 1, 1, *[float('nan'), float('inf'), 1e308] * 3)
    flat = LAYOUT.pack(b'a', 640, 0, *[1.0] * 9)
    return [vga + vga, vga + hd, nan + vga, flat + flat, b'']
