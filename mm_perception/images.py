# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""ROS image messages → Frames, and arrays → image messages; no other file knows encodings.

Messages are taken as they come: rclpy's, whose data is an ``array('B')``, and rosbags', whose data
is a NumPy array. A picture that need not be changed is a read-only view of the message's own bytes.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from mm_perception.codecs import compressed
from mm_perception.errors import ImageError
from mm_perception.observation import Frame, Modality

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class _Layout(NamedTuple):
    dtype: np.dtype[Any]
    channels: int

    @property
    def pixel(self) -> int:
        return self.dtype.itemsize * self.channels


_COLOUR = {
    'rgb8': _Layout(np.dtype(np.uint8), 3),
    'bgr8': _Layout(np.dtype(np.uint8), 3),
    'rgba8': _Layout(np.dtype(np.uint8), 4),
    'bgra8': _Layout(np.dtype(np.uint8), 4),
    'mono8': _Layout(np.dtype(np.uint8), 1),
}
_DEPTH = {
    '16UC1': _Layout(np.dtype(np.uint16), 1),
    'mono16': _Layout(np.dtype(np.uint16), 1),
    '32FC1': _Layout(np.dtype(np.float32), 1),
}
_CHANNELS = {
    'rgb8': slice(None),
    'bgr8': slice(None, None, -1),
    'rgba8': slice(3),
    'bgra8': slice(2, None, -1),
}
_METRES = np.arange(1 << 16, dtype=np.float32) / np.float32(1000)
"""Of every number of millimetres: to look them up takes a third of the time of dividing."""
_METRES[0] = np.nan


def stamp_of(msg: Any) -> int:
    """Read a message's time of capture.

    Args:
        msg: Any message with a header.

    Returns:
        Nanoseconds; 0 where the driver sets none, as kinect_ros2's colour.

    """
    stamp = msg.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def frame_from_message(msg: Any, modality: Modality, stamp: int | None = None) -> Frame:
    """Turn an image message into a frame.

    Args:
        msg: sensor_msgs/Image, or sensor_msgs/CompressedImage (JPEG, PNG, compressedDepth).
        modality: Which of the camera's eyes it came from.
        stamp: Nanoseconds to use in place of the header's stamp, for drivers that leave it 0.

    Returns:
        The frame. Colour is H×W×3 uint8, R first, a read-only view of the message where that
        holds such pixels. Depth is H×W float32 in metres, NaN where 0, negative or infinite.

    Raises:
        ImageError: The encoding is unknown or is the other modality's, or sizes, step and data
            contradict each other, or compressed data is damaged or too large.

    """
    raw = hasattr(msg, 'encoding')
    readers: dict[tuple[bool, Modality], Callable[[Any], NDArray[Any]]] = {
        (True, Modality.RGB): _colour,
        (True, Modality.DEPTH): _depth,
        (False, Modality.RGB): _compressed_colour,
        (False, Modality.DEPTH): _compressed_depth,
    }
    try:
        image = readers[raw, modality](msg)
    except ImageError as error:
        raise ImageError(f'{_describe(msg, modality, raw)}: {error}') from error
    frame_id = str(msg.header.frame_id)
    return Frame(modality, stamp_of(msg) if stamp is None else stamp, frame_id, image)


def fill_image(msg: Any, image: NDArray[Any], encoding: str) -> None:
    """Put an array into an image message, except for its header.

    Args:
        msg: sensor_msgs/Image, of rclpy or of rosbags.
        image: H×W or H×W×C, its channels in the order that the encoding names.
        encoding: One of rgb8, bgr8, rgba8, bgra8, mono8, 16UC1, mono16, 32FC1.

    Raises:
        ImageError: The encoding is unknown, or the array is not of its type and channels.

    """
    layout = {**_COLOUR, **_DEPTH}.get(encoding)
    if layout is None:
        raise ImageError(f'cannot write encoding {encoding!r}; use {_one_of(_COLOUR, _DEPTH)}')
    channels = image.shape[2:] or (1,)
    if image.ndim < 2 or image.dtype != layout.dtype or channels != (layout.channels,):  # noqa: PLR2004 - rows, columns
        raise ImageError(
            f'an array of {image.dtype} {image.shape} is not {encoding}: that is '
            f'{layout.dtype} with {layout.channels} channel(s)'
        )
    msg.height, msg.width = image.shape[:2]
    msg.encoding = encoding
    msg.is_bigendian = int(sys.byteorder == 'big')
    msg.step = msg.width * layout.pixel
    data = np.ascontiguousarray(image).reshape(-1).view(np.uint8)
    if isinstance(msg.data, np.ndarray):
        msg.data = data
    else:
        # An array('B') is taken as it is; anything else rclpy checks byte by byte.
        filled = array('B')
        filled.frombytes(data.data)
        msg.data = filled


def _colour(msg: Any) -> NDArray[np.uint8]:
    encoding = str(msg.encoding)
    if encoding in _DEPTH:
        raise ImageError(f'this is a depth encoding; colour is {_one_of(_COLOUR)}')
    layout = _COLOUR.get(encoding)
    if layout is None:
        return _by_cv_bridge(msg)
    pixels: NDArray[np.uint8] = _pixels(msg, layout)
    if encoding == 'mono8':
        return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return pixels[:, :, _CHANNELS[encoding]]


def _depth(msg: Any) -> NDArray[np.float32]:
    encoding = str(msg.encoding)
    layout = _DEPTH.get(encoding)
    if layout is None:
        raise ImageError(f'this is not a depth encoding; depth is {_one_of(_DEPTH)}')
    pixels = _pixels(msg, layout)[:, :, 0]
    return _metres(pixels) if encoding == '32FC1' else _metres_from_millimetres(pixels)


def _pixels(msg: Any, layout: _Layout) -> NDArray[Any]:
    """View a message's data as rows, columns and channels, whatever its step and endianness."""
    width, height, step = int(msg.width), int(msg.height), int(msg.step)
    row, size = width * layout.pixel, memoryview(msg.data).nbytes
    if width < 1 or height < 1:
        raise ImageError('it has no pixels; check the driver')
    if row > step:
        raise ImageError(f'a row needs {row} bytes, but step is {step}; check the driver')
    if step * height > size:
        raise ImageError(f'{height} rows of {step} bytes need {step * height}, but it holds {size}')
    pixels: NDArray[Any] = np.ndarray(
        (height, width, layout.channels),
        layout.dtype.newbyteorder('>' if msg.is_bigendian else '<'),
        msg.data,
        strides=(step, layout.pixel, layout.dtype.itemsize),
    )
    pixels.flags.writeable = False
    return pixels


def _by_cv_bridge(msg: Any) -> NDArray[np.uint8]:
    """Convert Bayer, YUV and the like, on machines that have ROS's own converter."""
    way_out = f'supported without cv_bridge: {_one_of(_COLOUR)}'
    try:
        from cv_bridge import CvBridge  # noqa: PLC0415 - never required: only some machines have it
    except ImportError as error:
        raise ImageError(
            f'this encoding needs cv_bridge, which is not installed (ros-<distro>-cv-bridge); '
            f'{way_out}; or have the camera publish one of these'
        ) from error
    try:
        image = CvBridge().imgmsg_to_cv2(msg, 'rgb8')
    except Exception as error:  # it raises OpenCV's, boost's and Python's own kinds
        reason = ' '.join(str(error).split())
        raise ImageError(f'cv_bridge cannot convert it ({reason}); {way_out}') from error
    return np.asarray(image, np.uint8)


def _compressed_colour(msg: Any) -> NDArray[np.uint8]:
    data_format = str(msg.format)
    if _stored_encoding(data_format) in _DEPTH or 'compressedDepth' in data_format:
        raise ImageError('this is compressed depth; colour is JPEG or PNG')
    # compressed_image_transport names the channel order it gave to the encoder. "bgr" is a usual
    # file, "rgb" one whose red and blue are exchanged; without a name it is a usual file too.
    given = re.search(r'compressed ([a-z]+)', data_format)
    order = given.group(1) if given else 'bgr'
    if given is None and _stored_encoding(data_format).startswith('bayer'):
        order = 'bayer'  # as PNG it is not turned into colour before
    if order not in {'bgr', 'bgra', 'rgb', 'rgba', 'mono'}:
        raise ImageError(f'the picture holds {order} pixels; have the camera publish colour')
    image = compressed.decode_colour(_bytes(msg))
    return image if order.startswith('rgb') else image[:, :, ::-1]


def _compressed_depth(msg: Any) -> NDArray[np.float32]:
    data_format, data = str(msg.format), _bytes(msg)
    encoding = _stored_encoding(data_format)
    if 'compressedDepth' not in data_format:
        if encoding == '32FC1':
            raise ImageError('a PNG holds no 32FC1; use the compressedDepth transport')
        return _metres_from_millimetres(compressed.decode_depth_png(data))
    if encoding not in _DEPTH:
        raise ImageError(f'compressedDepth holds {_one_of(_DEPTH)}, not {encoding!r}')
    start = compressed.DEPTH_HEADER_SIZE
    if data.size < start:
        raise ImageError(f'{data.size} bytes are too few for the header of compressedDepth')
    is_rvl = 'compressedDepth rvl' in data_format
    decode = compressed.decode_depth_rvl if is_rvl else compressed.decode_depth_png
    stored = decode(data[start:])
    if encoding == '32FC1':
        return _metres_from_inverse(stored, *struct.unpack('<ff', data[4:start].tobytes()))
    return _metres_from_millimetres(stored)


def _metres_from_millimetres(depth: NDArray[np.uint16]) -> NDArray[np.float32]:
    return cast('NDArray[np.float32]', np.take(_METRES, depth))


def _metres_from_inverse(stored: NDArray[np.uint16], a: float, b: float) -> NDArray[np.float32]:
    """Undo compressedDepth's quantisation of 32FC1: v = A / depth + B, and 0 for unknown."""
    if not (np.isfinite(a) and np.isfinite(b) and a > 0):
        raise ImageError(f'quantisation A={a}, B={b} is damaged: both finite, A above 0')
    inverse: NDArray[np.float32] = stored.astype(np.float32) - np.float32(b)
    inverse[(stored == 0) | (inverse <= 0)] = np.nan
    with np.errstate(over='ignore'):  # next to no inverse: infinitely far, which is unknown
        metres: NDArray[np.float32] = np.divide(np.float32(a), inverse, dtype=np.float32)
    return _metres(metres)


def _metres(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make 0, negative and infinite distances NaN, without a copy where there are none."""
    with np.errstate(invalid='ignore'):  # a signalling NaN compares as any other
        # In the machine's own byte order, and aligned, or OpenCV would refuse it.
        metres: NDArray[np.float32] = np.require(depth, np.float32, 'A')
        wrong = (metres <= 0) | (metres == np.inf)
    if wrong.any():
        metres = metres.copy()
        metres[wrong] = np.nan
    return metres


def _bytes(msg: Any) -> NDArray[np.uint8]:
    return np.frombuffer(memoryview(msg.data), np.uint8)


def _stored_encoding(data_format: str) -> str:
    return data_format.partition(';')[0].strip()


def _one_of(*tables: dict[str, _Layout]) -> str:
    return ', '.join(name for table in tables for name in table)


def _describe(msg: Any, modality: Modality, raw: bool) -> str:
    if raw:
        what = f'encoding {str(msg.encoding)!r:.60}, {msg.width}x{msg.height}, step {msg.step}'
    else:
        what = f'format {str(msg.format)!r:.60}, {memoryview(msg.data).nbytes} bytes'
    return f'{modality} image of frame {str(msg.header.frame_id)!r:.60} ({what})'
