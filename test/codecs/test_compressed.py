# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import resource
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mm_perception.codecs.compressed import decode_colour, decode_depth_png, decode_depth_rvl
from mm_perception.errors import ImageError


def encoded(extension: str, picture: np.ndarray) -> bytes:
    written, content = cv2.imencode(extension, picture)
    assert written
    return content.tobytes()


def as_array(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)


def png_of_size(width: int, height: int) -> bytes:
    chunk = b'IHDR' + struct.pack('>IIBBBBB', width, height, 16, 0, 0, 0, 0)
    end = bytes.fromhex('00000000') + b'IEND' + bytes.fromhex('ae426082')
    return (
        b'\x89PNG\r\n\x1a\n'
        + struct.pack('>I', 13)
        + chunk
        + struct.pack('>I', zlib.crc32(chunk))
        + end
    )


def jpeg_of_size(width: int, height: int) -> bytes:
    jpeg = bytearray(JPEG)
    at = jpeg.index(b'\xff\xc0') + 5
    jpeg[at : at + 4] = struct.pack('>HH', height, width)
    return bytes(jpeg)


PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
DEPTH = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
JPEG, PNG, PNG_DEPTH = encoded('.jpg', PICTURE), encoded('.png', PICTURE), encoded('.png', DEPTH)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'neither JPEG nor PNG: it starts with nothing'),
        (b'GIF89a', 'it starts with 47 49 46 38 39 61'),
        (JPEG[:-2], 'truncated JPEG'),
        (JPEG[: len(JPEG) // 2], 'truncated JPEG'),
        (JPEG[:100], 'JPEG whose header is damaged'),
        (b'\xff\xd8' + b'\xff' * 9999, 'JPEG whose header is damaged'),
        (PNG[:-12], 'truncated PNG'),
        (PNG[: len(PNG) // 2], 'truncated PNG'),
        (PNG[:20], 'PNG without a header'),
        (PNG[:60] + b'????' + PNG[64:], 'file is damaged'),
    ],
)
def test_half_a_picture_is_never_decoded(content: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_colour(as_array(content))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (png_of_size(40000, 40000), 'says 40000x40000 pixels, where 1 to 33554432'),
        (png_of_size(5000, 5000), '45 bytes cannot hold the 5000x5000 pixels'),
        (png_of_size(0, 5), 'says 0x5 pixels'),
        (jpeg_of_size(65500, 65500), 'says 65500x65500 pixels'),
        (jpeg_of_size(64, 0), 'says 64x0 pixels'),
    ],
)
def test_size_is_refused_before_anything_is_decoded(
    content: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(cv2, 'imdecode')
    with pytest.raises(ImageError, match=message):
        decode_colour(as_array(content))


def test_what_follows_the_end_of_a_picture_does_not_matter() -> None:
    # Cameras that send their whole buffer leave zeros behind the picture.
    assert_array_equal(decode_colour(as_array(PNG + bytes(500))), PICTURE)
    assert_array_equal(decode_colour(as_array(JPEG + bytes(500))), decode_colour(as_array(JPEG)))


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_png_of_any_channels_is_three(channels: int) -> None:
    picture = np.full((5, 7, channels), 200, np.uint8)
    decoded = decode_colour(as_array(encoded('.png', picture)))
    assert_array_equal(decoded, np.full((5, 7, 3), 200))
    assert decoded.dtype == np.uint8


def test_orientation_tag_does_not_turn_the_picture() -> None:
    # EXIF with one entry, orientation 6 (turn by 90 degrees): depth would no longer match.
    tiff = b'II*\0\x08\0\0\0' + struct.pack('<HHHIHHI', 1, 0x0112, 3, 1, 6, 0, 0)
    segment = b'Exif\0\0' + tiff
    tagged = JPEG[:2] + b'\xff\xe1' + struct.pack('>H', len(segment) + 2) + segment + JPEG[2:]
    assert cv2.imdecode(as_array(tagged), cv2.IMREAD_COLOR).shape == (64, 48, 3)
    assert_array_equal(decode_colour(as_array(tagged)), decode_colour(as_array(JPEG)))


def test_depth_png_keeps_all_16_bits() -> None:
    depth = decode_depth_png(as_array(PNG_DEPTH))
    assert depth.dtype == np.uint16
    assert_array_equal(depth, DEPTH)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (JPEG, 'not PNG: it starts with ff d8 ff'),
        (PNG, 'a PNG of 8 bits and colour type 2, where depth is 16 bits of grey'),
        (PNG_DEPTH[:-5], 'truncated PNG'),
    ],
)
def test_png_that_is_no_depth_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_depth_png(as_array(content))


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'1234', '4 bytes are too few for the header of RVL'),
        (struct.pack('<III', 99999, 99999, 0), 'says 99999x99999 pixels'),
        (struct.pack('<III', 0, 5, 0), 'says 0x5 pixels'),
        (struct.pack('<II', 3, 2), 'ends after 0 of 6 pixels'),
    ],
)
def test_rvl_that_cannot_be_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_depth_rvl(as_array(content))


def test_jpeg_that_announces_more_than_its_bytes_can_hold_is_refused() -> None:
    with pytest.raises(ImageError, match='cannot hold the 5000x5000 pixels announced'):
        decode_colour(as_array(jpeg_of_size(5000, 5000)))


def test_the_emptiest_jpeg_is_read() -> None:
    for quality, progressive in [(1, 0), (1, 1), (95, 1)]:
        flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
        flags += [cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        grey = np.full((1080, 1920), 128, np.uint8)
        content = cv2.imencode('.jpg', grey, flags)[1]
        assert decode_colour(content).shape == (1080, 1920, 3)


def test_png_chunk_that_announces_more_than_is_there_takes_no_memory() -> None:
    png = bytearray(encoded('.png', PICTURE))
    at = png.index(b'IDAT') - 4
    png[at : at + 4] = struct.pack('>I', 1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match='a truncated PNG'):
        decode_colour(as_array(bytes(png)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


@pytest.mark.parametrize(('content', 'has_pixels'), [(b'', False), (bytes(5), True)])
def test_end_of_a_png_that_is_none_is_refused(content: bytes, has_pixels: bool) -> None:
    png = encoded('.png', PICTURE)
    kept = png[: png.index(b'IEND' if has_pixels else b'IDAT') - 4]
    end = b'IEND' + content
    ended = kept + struct.pack('>I', len(content)) + end + struct.pack('>I', zlib.crc32(end))
    # OpenCV reads on behind it, where a chunk announces 2 GB.
    with pytest.raises(ImageError, match='a truncated PNG'):
        decode_colour(as_array(ended + struct.pack('>I', 0x78000000) + b'tEXt'))


@pytest.mark.parametrize('stream', [bytes(8), bytes(4000), b'\xff' * 4000, b'\x01' * 4000])
def test_rvl_that_announces_more_than_it_holds_takes_no_memory(stream: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match='the RVL stream'):
            decode_depth_rvl(as_array(struct.pack('<II', 5000, 5000) + stream))
        assert tracemalloc.get_traced_memory()[1] < 100_000 + 100 * len(stream)
    finally:
        tracemalloc.stop()
