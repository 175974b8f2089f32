# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any sensor_msgs/CompressedImage becomes a frame of the size its header says, or is refused.

JPEG, PNG, and compressedDepth with PNG and RVL: no file without its end, none that announces more
pixels than its bytes can hold, and never a picture of another size than the announced.
"""

from __future__ import annotations

import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
from fuzz.frames import check_frame, classify
from fuzz.promises import attempt

from mm_perception.images import frame_from_message
from mm_perception.observation import Modality

FORMATS = (
    'jpeg',
    'png',
    'rgb8; jpeg compressed rgb8',
    'bgr8; png compressed bgr8',
    '16UC1; png compressed',
    '16UC1; compressedDepth png',
    '32FC1; compressedDepth png',
    '16UC1; compressedDepth rvl',
    '32FC1; compressedDepth rvl',
)
DEPTH_FROM = 4
PNG, JPEG, JPEG_END = b'\x89PNG\r\n\x1a\n', b'\xff\xd8', b'\xff\xd9'
QUANTISATION = struct.pack('<iff', 0, 10100, -1009)


def target(data: bytes) -> None:
    number, payload = (data[:1] or b'\0')[0], data[1:]
    known = number % 128 < len(FORMATS)
    depth = (number % 128 >= DEPTH_FROM) ^ (number >= 128)  # the upper half: the other modality
    message = SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=1), frame_id='camera'),
        format=FORMATS[number % 128] if known else payload[:40].decode('latin1'),
        data=np.frombuffer(payload, np.uint8),
    )
    modality = Modality.DEPTH if depth else Modality.RGB
    frame = attempt(lambda: frame_from_message(message, modality))
    if frame is None:
        return
    check_frame(frame)
    body = payload[12:] if 'compressedDepth' in message.format else payload
    if 'compressedDepth rvl' in message.format:
        assert frame.image.shape == struct.unpack('<II', body[:8])[::-1]
        classify(frame)
        return
    assert frame.image.shape[:2] == announced(body)
    if body[:2] == JPEG:
        assert JPEG_END in body
        assert frame.image.size // 3 <= 8 * 64 * len(body)  # each bit a block of 8x8 at the most
    assert body[:8] != PNG or b'IEND' in body
    classify(frame)


def announced(body: bytes) -> tuple[int, int]:
    """Height and width of a PNG as its header has them; of a JPEG as OpenCV reads them."""
    if body[:8] == PNG:
        return struct.unpack('>II', body[16:24])[::-1]
    return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_GRAYSCALE | 128).shape


def png_of(width: int, height: int, bits: int = 16, colour: int = 0, body: bytes = b'') -> bytes:
    """A PNG that announces a size, whatever it holds."""

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(name + content)
        return struct.pack('>I', len(content)) + name + content + struct.pack('>I', crc)

    head = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0)
    return PNG + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(body)) + chunk(b'IEND', b'')


def seeds() -> list[bytes]:
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (20, 24, 3), np.uint8)
    distances = rng.integers(0, 4000, (20, 24), np.uint16)
    jpeg, progressive = (
        cv2.imencode('.jpg', colours, [cv2.IMWRITE_JPEG_PROGRESSIVE, flag])[1].tobytes()
        for flag in (0, 1)
    )
    png, depth = (cv2.imencode('.png', image)[1].tobytes() for image in (colours, distances))
    rvl = struct.pack('<II', 3, 2) + bytes.fromhex('0023a12302000000')
    pictures = [jpeg, png, progressive, png, depth]
    stored = [QUANTISATION + content for content in (depth, depth, rvl, rvl)]
    made = [bytes([i]) + content for i, content in enumerate(pictures + stored)]
    start = jpeg.index(b'\xff\xc0') + 5
    return [
        *made,
        b'\x85' + QUANTISATION + depth,
        b'\x07' + QUANTISATION + struct.pack('<II', 60_000, 60_000) + bytes(10),
        b'\x07' + QUANTISATION + struct.pack('<II', 2048, 2048) + bytes(8),
        b'\x07' + QUANTISATION + struct.pack('<II', 2**32 - 1, 2**32 - 1),
        b'\x01' + png_of(60_000, 60_000),
        b'\x01' + png_of(2048, 2048, 1),
        b'\x01' + png_of(64, 64, 3, 5),
        b'\x05' + QUANTISATION + png_of(2048, 2048),
        b'\x00' + jpeg[:start] + struct.pack('>HH', 2048, 2048) + jpeg[start + 4 :],
    ]
