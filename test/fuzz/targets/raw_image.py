# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any sensor_msgs/Image becomes a frame of the message's own pixels, or is refused.

A frame that health finds good can be labelled: its region is cropped and made the network's input.
"""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np
from fuzz.frames import check_frame, classify
from fuzz.promises import attempt

from mm_perception.images import fill_image, frame_from_message
from mm_perception.observation import Modality

ENCODINGS = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', '16UC1', 'mono16', '32FC1')
PIXELS = (3, 3, 4, 4, 1, 2, 2, 4)  # bytes of each
LAYOUT = struct.Struct('<BB3IB')  # modality, encoding, width, height, step, is_bigendian


def target(data: bytes) -> None:
    head, content = data[: LAYOUT.size].ljust(LAYOUT.size, b'\0'), data[LAYOUT.size :]
    depth, number, width, height, step, bigendian = LAYOUT.unpack(head)
    known = number < len(ENCODINGS)
    message = SimpleNamespace(
        header=SimpleNamespace(
            stamp=SimpleNamespace(sec=0, nanosec=1), frame_id=content[:9].decode('latin1')
        ),
        width=width,
        height=height,
        step=step,
        is_bigendian=bigendian,
        encoding=ENCODINGS[number] if known else content[:number].decode('latin1'),
        data=np.frombuffer(content, np.uint8),
    )
    modality = Modality.DEPTH if depth % 2 else Modality.RGB
    frame = attempt(lambda: frame_from_message(message, modality))
    if frame is None:
        return
    check_frame(frame)
    assert frame.image.shape[:2] == (height, width)
    if modality is Modality.RGB and number < 2:  # the last pixel, straight from the bytes
        at = (height - 1) * step + (width - 1) * 3
        assert bytes(frame.image[-1, -1])[:: 1 - 2 * number] == content[at : at + 3]
    classify(frame)


def seeds() -> list[bytes]:
    made = []
    rng = np.random.default_rng(0)
    for number, encoding in enumerate(ENCODINGS):
        kind = {'32FC1': np.float32, '16UC1': np.uint16, 'mono16': np.uint16}.get(
            encoding, np.uint8
        )
        channels = PIXELS[number] // np.dtype(kind).itemsize
        pixels = rng.integers(40, 220, (20, 24, channels)).astype(kind)
        message = SimpleNamespace(data=np.zeros(0, np.uint8))
        fill_image(message, pixels if channels > 1 else pixels[:, :, 0], encoding)
        head = LAYOUT.pack(number > 4, number, 24, 20, message.step, 0)
        made.append(head + message.data.tobytes())
    tall = np.full(16 * 4000, 90, np.uint8).tobytes()
    return [
        *made,
        LAYOUT.pack(0, 0, 60_000, 60_000, 180_000, 0) + b'rgb',
        LAYOUT.pack(0, 4, 2**32 - 1, 2**32 - 1, 2**32 - 1, 1),
        LAYOUT.pack(0, 4, 16, 4000, 16, 0) + tall,
        LAYOUT.pack(1, 7, 24, 20, 96, 0) + np.float32([1e-45, 3e38] * 240).tobytes(),
    ]
