# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed image messages, good and bad."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_messages import Rosbags, depth, frame_or_one_line, from_either_library, rgb
from numpy.testing import assert_allclose, assert_array_equal

from mm_perception.errors import ImageError
from mm_perception.images import frame_from_message
from mm_perception.observation import Modality

# compressed_depth_image_transport's parameters at its defaults, depth_max 10 m and
# depth_quantization 100: A = 100 * 101 = 10100, B = 1 - A / 10 = -1009.
QUANTISATION = struct.pack('<iff', 0, 10100, -1009)


def compressed(data_format: str, content: bytes, source: Any = Rosbags) -> Any:
    msg = source.empty('CompressedImage')
    msg.header.frame_id = 'camera'
    msg.format, msg.data = data_format, source.data(content)
    return msg


def encoded(extension: str, picture: np.ndarray) -> bytes:
    written, content = cv2.imencode(extension, picture)
    assert written
    return content.tobytes()


# --- compressed colour --------------------------------------------------------------------------

RED = np.full((48, 64, 3), (0, 0, 250), np.uint8)  # blue first, as OpenCV writes it
RGB_FORMATS = ('jpeg', 'rgb8; jpeg compressed bgr8', 'bgra8; jpeg compressed bgr8', 'bgr8; jpeg')


@from_either_library
@pytest.mark.parametrize('data_format', RGB_FORMATS)
def test_jpeg_is_red_green_blue(data_format: str, source: Any) -> None:
    picture = rgb(compressed(data_format, encoded('.jpg', RED), source))
    assert picture.shape == (48, 64, 3)
    # JPEG keeps a flat colour within its conversion's rounding, a few grey levels.
    assert_allclose(picture.astype(int), np.broadcast_to([250, 0, 0], picture.shape), atol=4)


@from_either_library
def test_png_keeps_every_pixel(source: Any) -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    picture = rgb(compressed('rgb8; png compressed bgr8', encoded('.png', bgr), source))
    assert_array_equal(picture, bgr[:, :, ::-1])


def test_format_that_names_rgb_has_red_and_blue_exchanged_in_the_file() -> None:
    # As compressed_image_transport reads it: the file was written from RGB as if it were BGR.
    msg = compressed('rgb8; jpeg compressed rgb8', encoded('.jpg', RED[:, :, ::-1]))
    assert_allclose(rgb(msg)[0, 0].astype(int), [250, 0, 0], atol=4)  # JPEG's rounding


def test_grey_jpeg_becomes_three_equal_channels() -> None:
    picture = rgb(compressed('mono8; jpeg compressed mono8', encoded('.jpg', RED[:, :, 2])))
    assert picture.shape == (48, 64, 3)
    assert (picture == picture[:, :, :1]).all()


# --- compressed depth ---------------------------------------------------------------------------


@from_either_library
def test_png_of_16_bits_is_millimetres(source: Any) -> None:
    content = encoded('.png', np.array([[0, 1234]], np.uint16))
    metres = depth(compressed('16UC1; png compressed', content, source))
    assert_array_equal(metres, np.array([[np.nan, 1.234]], np.float32))


@from_either_library
@pytest.mark.parametrize('data_format', ['16UC1; compressedDepth', '16UC1; compressedDepth png'])
def test_compressed_depth_of_16uc1_is_millimetres(data_format: str, source: Any) -> None:
    content = QUANTISATION + encoded('.png', np.array([[0, 1234]], np.uint16))
    metres = depth(compressed(data_format, content, source))
    assert_array_equal(metres, np.array([[np.nan, 1.234]], np.float32))


@from_either_library
def test_compressed_depth_of_32fc1_is_inverse_depth(source: Any) -> None:
    # v = A / depth + B: 2 m is 10100 / 2 - 1009 = 4041, 0.5 m is 19191, 10 m is 1; 0 is unknown.
    content = QUANTISATION + encoded('.png', np.array([[4041, 19191, 1, 0]], np.uint16))
    metres = depth(compressed('32FC1; compressedDepth png', content, source))
    assert_array_equal(metres, np.array([[2, 0.5, 10, np.nan]], np.float32))


def test_inverse_depth_that_is_no_distance_is_unknown() -> None:
    # A = 100, B = 5: 5 is infinitely far, 3 behind the camera, 15 at 10 m.
    header = struct.pack('<iff', 0, 100, 5)
    content = header + encoded('.png', np.array([[5, 3, 15]], np.uint16))
    metres = depth(compressed('32FC1; compressedDepth png', content))
    assert_array_equal(metres, np.array([[np.nan, np.nan, 10]], np.float32))


@from_either_library
def test_compressed_depth_in_rvl(source: Any) -> None:
    # 0 0 5 / 6 4 0 mm: 2 zeros, 3 non-zeros (+5 +1 -2, zigzag 10 2 3), 1 zero, 0 non-zeros:
    # the numbers 2 3 10 2 3 1 0, nibbles 2 3 A 1 2 3 1 0, lowest byte first.
    content = QUANTISATION + struct.pack('<II', 3, 2) + bytes.fromhex('1023a123')
    metres = depth(compressed('16UC1; compressedDepth rvl', content, source))
    expected = np.array([[np.nan, np.nan, 0.005], [0.006, 0.004, np.nan]], np.float32)
    assert_array_equal(metres, expected)


# --- bad compressed images ----------------------------------------------------------------------


JPEG, PNG = encoded('.jpg', RED), encoded('.png', RED)
PNG_DEPTH = encoded('.png', np.arange(48 * 64, dtype=np.uint16).reshape(48, 64))


@pytest.mark.parametrize(
    ('data_format', 'content', 'modality', 'message'),
    [
        ('png', PNG[:-20], 'rgb', 'truncated PNG'),
        ('16UC1; compressedDepth png', PNG, 'rgb', 'this is compressed depth'),
        ('16UC1; png compressed', PNG_DEPTH, 'rgb', 'this is compressed depth'),
        ('bayer_rggb8; jpeg compressed bayer', JPEG, 'rgb', 'holds bayer pixels'),
        ('bayer_rggb8; png compressed ', PNG, 'rgb', 'holds bayer pixels'),
        ('jpeg', JPEG, 'depth', 'not PNG: it starts with ff d8 ff'),
        ('32FC1; png compressed', PNG_DEPTH, 'depth', 'use the compressedDepth transport'),
        ('16UC1; compressedDepth png', b'123', 'depth', '3 bytes are too few'),
        ('16UC1; compressedDepth png', PNG_DEPTH, 'depth', 'not PNG'),
        ('rgb8; compressedDepth png', QUANTISATION + PNG_DEPTH, 'depth', "not 'rgb8'"),
        (
            '32FC1; compressedDepth png',
            struct.pack('<iff', 0, np.nan, 1) + PNG_DEPTH,
            'depth',
            'quantisation A=nan, B=1.0 is damaged',
        ),
    ],
)
def test_damaged_or_foreign_picture_is_refused(
    data_format: str, content: bytes, modality: str, message: str
) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        frame_from_message(compressed(data_format, content), Modality(modality))
    assert str(caught.value).startswith(f"{modality} image of frame 'camera' (format '")
    assert '\n' not in str(caught.value)


FORMATS = (
    'jpeg',
    'png',
    'rgb8; jpeg compressed rgb8',
    '16UC1; png compressed',
    '16UC1; compressedDepth png',
    '32FC1; compressedDepth png',
    '16UC1; compressedDepth rvl',
    '32FC1; compressedDepth rvl',
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Random bytes, or a real file with some bytes changed and its end cut off."""
    rvl = struct.pack('<II', 3, 2) + bytes.fromhex('1023a123')
    files = st.sampled_from([JPEG, PNG, QUANTISATION + PNG_DEPTH, QUANTISATION + rvl])
    content = bytearray(draw(st.binary(max_size=60) | files))
    for _ in range(draw(st.integers(0, 4)) if content else 0):
        # Half of the changes in the header, which is a small part of the file.
        last = len(content) - 1
        at = draw(st.integers(0, min(last, 60)) | st.integers(0, last))
        content[at] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.just(len(content)) | st.integers(0, len(content)))])


@given(
    data_format=st.sampled_from(FORMATS) | st.text(max_size=20),
    content=damaged(),
    modality=st.sampled_from(Modality),
)
def test_damaged_file_gives_a_frame_or_an_image_error(
    data_format: str, content: bytes, modality: Modality
) -> None:
    frame = frame_or_one_line(compressed(data_format, content), modality)
    if frame is None:
        return
    assert frame.image.ndim == (3 if modality is Modality.RGB else 2)
    if modality is Modality.DEPTH:
        assert (np.isnan(frame.image) | (frame.image > 0)).all()
