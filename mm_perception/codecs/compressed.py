# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""JPEG, PNG and RVL bytes → pixels, refusing what is damaged or would not fit in memory.

The size in a file's header is checked before anything is decoded, and so is its end: OpenCV 4 fills
the missing half of a truncated picture with grey, and a label must not be made from that.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from mm_perception.codecs import rvl
from mm_perception.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PIXELS = 1 << 25
"""The largest picture that is decoded: an 8K frame (7680 x 4320) just fits."""

DEPTH_HEADER_SIZE = 12
"""Bytes before the picture in compressedDepth: int32 format, float32 A, float32 B."""

_JPEG = b'\xff\xd8\xff'
_JPEG_END = b'\xff\xd9'
_PNG = b'\x89PNG\r\n\x1a\n'
_PNG_CHUNK, _PNG_CRC = struct.Struct('>I4s'), 4  # a chunk's length and name; what follows it
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type: grey, RGB, palette, +alpha
_PNG_GREY = 0
_DEPTH_BITS = 16
_DEFLATE_RATIO = 1032
"""Deflate's best: one bit of input for each 258-byte match and its distance."""
_JPEG_RATIO = 8 * 64
"""Pixels that a byte holds in the emptiest JPEG: each bit of it a block of 8x8."""

_START_OF_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_FILL = 0xFF
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9), _FILL}
_MAX_SEGMENTS = 1000  # before the first scan; real files have a few dozen


class _Header(NamedTuple):
    width: int
    height: int
    bits: int
    colour_type: int


def decode_colour(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG picture.

    Args:
        data: The file's bytes.

    Returns:
        H×W×3, blue first as OpenCV has it, not turned by EXIF.

    Raises:
        ImageError: It is neither JPEG nor PNG, damaged, truncated, or larger than `MAX_PIXELS`.

    """
    if data[: len(_PNG)].tobytes() == _PNG:
        header = _png_header(data)
        width, height = header.width, header.height
    elif data[: len(_JPEG)].tobytes() == _JPEG:
        width, height = _jpeg_size(data.tobytes())
    else:
        raise ImageError(f'neither JPEG nor PNG: it starts with {_start(data)}')
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return _imdecode(data, flags, (height, width, 3)).astype(np.uint8, copy=False)


def decode_depth_png(data: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Decode a 16-bit grey PNG.

    Args:
        data: The file's bytes.

    Returns:
        H×W, the numbers as stored.

    Raises:
        ImageError: It is no 16-bit grey PNG, damaged, truncated, or larger than `MAX_PIXELS`.

    """
    if data[: len(_PNG)].tobytes() != _PNG:
        raise ImageError(f'not PNG: it starts with {_start(data)}')
    header = _png_header(data)
    if (header.bits, header.colour_type) != (_DEPTH_BITS, _PNG_GREY):
        raise ImageError(
            f'a PNG of {header.bits} bits and colour type {header.colour_type}, '
            f'where depth is {_DEPTH_BITS} bits of grey'
        )
    pixels = _imdecode(data, cv2.IMREAD_UNCHANGED, (header.height, header.width))
    return pixels.astype(np.uint16, copy=False)


def decode_depth_rvl(data: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Decode compressedDepth's RVL: width and height (uint32 each), then the stream.

    Args:
        data: The bytes after compressedDepth's header.

    Returns:
        H×W, the numbers as stored.

    Raises:
        ImageError: The stream is damaged, ends early, or is of an image larger than `MAX_PIXELS`.

    """
    sizes = struct.calcsize('<II')
    if data.size < sizes:
        raise ImageError(f'{data.size} bytes are too few for the header of RVL')
    width, height = struct.unpack('<II', data[:sizes].tobytes())
    _check_size(width, height)
    return rvl.decode(data[sizes:], width * height).reshape(height, width)


def _imdecode(data: NDArray[np.uint8], flags: int, shape: tuple[int, ...]) -> NDArray[np.generic]:
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise ImageError(f'OpenCV cannot decode it: {" ".join(str(error).split())}') from error
    if image is None or image.shape != shape:
        raise ImageError('OpenCV cannot decode it: the file is damaged')
    return image


def _png_header(data: NDArray[np.uint8]) -> _Header:
    start = len(_PNG) + 8  # past the first chunk's length and name
    head = data[: start + 10].tobytes()
    if len(head) < start + 10 or head[start - 4 : start] != b'IHDR':
        raise ImageError('a PNG without a header')
    header = _Header(*struct.unpack('>IIBB', head[start:]))
    _check_size(header.width, header.height)
    row = header.width * _PNG_CHANNELS.get(header.colour_type, 1) * header.bits // 8
    if row * header.height > _DEFLATE_RATIO * data.size:
        raise _too_few_bytes(data.size, header.width, header.height)
    if not _has_end(data.tobytes()):
        raise ImageError(f'a truncated PNG: {data.size} bytes without an end')
    return header


def _has_end(data: bytes) -> bool:
    """Whether every chunk of a PNG is there; OpenCV makes room for what a chunk announces.

    Without pixels before it, or with anything in it, the end is none to OpenCV, which reads on.
    """
    position, has_pixels = len(_PNG), False
    while position + _PNG_CHUNK.size <= len(data):
        length, name = _PNG_CHUNK.unpack_from(data, position)
        position += _PNG_CHUNK.size + int(length) + _PNG_CRC
        has_pixels |= name == b'IDAT'
        if name == b'IEND':
            return has_pixels and length == 0 and position <= len(data)
    return False


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height from the segments before the first scan."""
    size = None
    position = 2
    for _ in range(_MAX_SEGMENTS):
        if len(data) < position + 9 or data[position] != _FILL:
            break
        marker = data[position + 1]
        position += 1 if marker == _FILL else 2
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from('>HH', data, position + 3)
            size = (width, height)
            _check_size(width, height)
        if marker == _START_OF_SCAN and size:
            # Within a scan FF is followed by 00, so this is the end and nothing else.
            if data.find(_JPEG_END, position) < 0:
                raise ImageError(f'a truncated JPEG: {len(data)} bytes without an end')
            if size[0] * size[1] > _JPEG_RATIO * (len(data) - position):
                raise _too_few_bytes(len(data), *size)
            return size
        position += struct.unpack_from('>H', data, position)[0]
    raise ImageError('a JPEG whose header is damaged')


def _too_few_bytes(size: int, width: int, height: int) -> ImageError:
    return ImageError(f'{size} bytes cannot hold the {width}x{height} pixels announced')


def _check_size(width: int, height: int) -> None:
    if width == 0 or height == 0 or width * height > MAX_PIXELS:
        raise ImageError(
            f'its header says {width}x{height} pixels, where 1 to {MAX_PIXELS} are accepted'
        )


def _start(data: NDArray[np.uint8]) -> str:
    return data[:8].tobytes().hex(' ') or 'nothing'
