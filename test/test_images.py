# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages, of rclpy and of rosbags, good and bad."""

from __future__ import annotations

import struct
import sys
from array import array
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from rosbags.rosbag1 import Reader
from rosbags.typesys import Stores, get_typestore

from mm_perception.errors import ImageError
from mm_perception.images import fill_image, frame_from_message, stamp_of
from mm_perception.observation import Frame, Modality

if TYPE_CHECKING:
    from pathlib import Path

STORE = get_typestore(Stores.ROS2_JAZZY)
COLOUR = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8')
DEPTH = ('16UC1', 'mono16', '32FC1')
DTYPES = {'16UC1': np.uint16, 'mono16': np.uint16, '32FC1': np.float32}
PIXEL = {
    'rgb8': 3,
    'bgr8': 3,
    'rgba8': 4,
    'bgra8': 4,
    'mono8': 1,
    '16UC1': 2,
    'mono16': 2,
    '32FC1': 4,
}
NATIVE = int(sys.byteorder == 'big')

# compressed_depth_image_transport's parameters at its defaults, depth_max 10 m and
# depth_quantization 100: A = 100 * 101 = 10100, B = 1 - A / 10 = -1009.
QUANTISATION = struct.pack('<iff', 0, 10100, -1009)


class Rclpy:
    """Messages as a node gets them: data is an array('B')."""

    name = 'rclpy'

    @staticmethod
    def empty(kind: str) -> Any:
        return getattr(pytest.importorskip('sensor_msgs.msg'), kind)()

    @staticmethod
    def data(content: bytes) -> Any:
        return array('B', content)


class Rosbags:
    """Messages as training gets them: data is a NumPy array."""

    name = 'rosbags'

    @staticmethod
    def empty(kind: str) -> Any:
        types = STORE.types
        stamp = types['builtin_interfaces/msg/Time'](0, 0)
        header = types['std_msgs/msg/Header'](stamp, '')
        empty = np.zeros(0, np.uint8)
        if kind == 'Image':
            return types['sensor_msgs/msg/Image'](header, 0, 0, '', 0, 0, empty)
        return types['sensor_msgs/msg/CompressedImage'](header, '', empty)

    @staticmethod
    def data(content: bytes) -> Any:
        return np.frombuffer(content, np.uint8)


@pytest.fixture(params=[Rclpy, Rosbags], ids=lambda source: source.name)
def source(request: pytest.FixtureRequest) -> Any:
    return request.param


def image(
    encoding: str,
    width: int,
    height: int,
    content: bytes,
    *,
    step: int | None = None,
    bigendian: int = NATIVE,
    source: Any = Rosbags,
) -> Any:
    msg = source.empty('Image')
    msg.header.frame_id = 'camera'
    msg.encoding, msg.width, msg.height, msg.is_bigendian = encoding, width, height, bigendian
    msg.step = width * PIXEL.get(encoding, 1) if step is None else step
    msg.data = source.data(content)
    return msg


def compressed(data_format: str, content: bytes, source: Any = Rosbags) -> Any:
    msg = source.empty('CompressedImage')
    msg.header.frame_id = 'camera'
    msg.format, msg.data = data_format, source.data(content)
    return msg


def encoded(extension: str, picture: np.ndarray) -> bytes:
    written, content = cv2.imencode(extension, picture)
    assert written
    return content.tobytes()


def rgb(msg: Any) -> np.ndarray:
    return frame_from_message(msg, Modality.RGB).image


def depth(msg: Any) -> np.ndarray:
    return frame_from_message(msg, Modality.DEPTH).image


def frame_or_one_line(msg: Any, modality: Modality) -> Frame | None:
    """Decode what may be bad: an ImageError of one line is an answer, any other error is not."""
    try:
        return frame_from_message(msg, modality)
    except ImageError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    return None


# --- raw colour ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('encoding', 'content'),
    [
        ('rgb8', bytes([1, 2, 3, 4, 5, 6])),
        ('bgr8', bytes([3, 2, 1, 6, 5, 4])),
        ('rgba8', bytes([1, 2, 3, 99, 4, 5, 6, 99])),
        ('bgra8', bytes([3, 2, 1, 99, 6, 5, 4, 99])),
    ],
)
def test_every_colour_order_becomes_red_green_blue(
    encoding: str, content: bytes, source: Any
) -> None:
    frame = frame_from_message(image(encoding, 2, 1, content, source=source), Modality.RGB)
    assert_array_equal(frame.image, [[[1, 2, 3], [4, 5, 6]]])
    assert frame.image.dtype == np.uint8
    assert (frame.modality, frame.frame_id) == (Modality.RGB, 'camera')


def test_grey_becomes_three_equal_channels(source: Any) -> None:
    msg = image('mono8', 2, 1, bytes([7, 9]), source=source)
    assert_array_equal(rgb(msg), [[[7, 7, 7], [9, 9, 9]]])


@pytest.mark.parametrize('encoding', COLOUR)
@pytest.mark.parametrize('padding', [0, 5])
def test_colour_is_a_read_only_view_of_the_message(
    encoding: str, padding: int, source: Any
) -> None:
    step = 4 * PIXEL[encoding] + padding
    msg = image(encoding, 4, 3, bytes(3 * step), step=step, source=source)
    pixels = rgb(msg)
    assert np.shares_memory(pixels, np.frombuffer(msg.data, np.uint8))
    with pytest.raises(ValueError, match='read-only'):
        pixels[0, 0, 0] = 1


# --- raw depth ----------------------------------------------------------------------------------


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
@pytest.mark.parametrize(('bigendian', 'order'), [(0, '<'), (1, '>')])
def test_millimetres_become_metres_and_0_unknown(
    encoding: str, bigendian: int, order: str, source: Any
) -> None:
    content = struct.pack(f'{order}4H', 0, 1, 1234, 65535)
    metres = depth(image(encoding, 2, 2, content, bigendian=bigendian, source=source))
    assert_array_equal(metres, np.array([[np.nan, 0.001], [1.234, 65.535]], np.float32))
    assert metres.dtype == np.float32


@pytest.mark.parametrize(('bigendian', 'order'), [(0, '<'), (1, '>')])
def test_metres_stay_and_what_is_no_distance_becomes_unknown(
    bigendian: int, order: str, source: Any
) -> None:
    content = struct.pack(f'{order}6f', 1.5, np.nan, np.inf, -np.inf, 0, -1)
    msg = image('32FC1', 3, 2, content, bigendian=bigendian, source=source)
    metres = depth(msg)
    assert_array_equal(metres, [[1.5, np.nan, np.nan], [np.nan] * 3])
    assert metres.dtype == np.float32
    assert bytes(msg.data) == content, 'the message itself must stay as it came'


def test_metres_that_need_no_change_are_a_read_only_view(source: Any) -> None:
    content = np.array([1.5, np.nan, 0.5, 2], np.float32).tobytes()
    msg = image('32FC1', 2, 2, content, source=source)
    metres = depth(msg)
    assert np.shares_memory(metres, np.frombuffer(msg.data, np.uint8))
    assert not metres.flags.writeable


def test_metres_in_unaligned_rows_can_be_used_by_opencv() -> None:
    row = np.array([1.5, 2.5], np.float32).tobytes() + b'\0'
    metres = depth(image('32FC1', 2, 2, row * 2, step=9))
    assert metres.flags.aligned
    assert_array_equal(cv2.flip(metres, 1), [[2.5, 1.5], [2.5, 1.5]])


# --- any size, step and endianness --------------------------------------------------------------


@given(
    encoding=st.sampled_from(COLOUR + DEPTH),
    width=st.integers(1, 20),
    height=st.integers(1, 20),
    padding=st.integers(0, 9),
    bigendian=st.integers(0, 1),
    extra=st.integers(0, 9),
    seed=st.integers(0, 99),
)
def test_any_size_step_and_endianness_gives_the_same_pixels(
    encoding: str, width: int, height: int, padding: int, bigendian: int, extra: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    channels = PIXEL[encoding] if encoding in COLOUR else 1
    pixels = rng.integers(1, 256, (height, width, channels)).astype(DTYPES.get(encoding, np.uint8))
    wire = pixels.astype(pixels.dtype.newbyteorder('>' if bigendian else '<'))
    rows = [row.tobytes() + rng.bytes(padding) for row in wire]
    msg = image(
        encoding,
        width,
        height,
        b''.join(rows) + rng.bytes(extra),
        step=len(rows[0]),
        bigendian=bigendian,
    )
    if encoding in DEPTH:
        scale = np.float32(1 if encoding == '32FC1' else 1000)
        assert_array_equal(depth(msg), pixels[:, :, 0].astype(np.float32) / scale)
    else:
        order = {'b': [2, 1, 0], 'r': [0, 1, 2], 'm': [0, 0, 0]}[encoding[0]]
        assert_array_equal(rgb(msg), pixels[:, :, order])


# --- stamps -------------------------------------------------------------------------------------


def test_stamp_is_the_headers_in_nanoseconds(source: Any) -> None:
    msg = image('mono8', 1, 1, b'\1', source=source)
    msg.header.stamp.sec, msg.header.stamp.nanosec = 1_700_000_000, 123_456_789
    assert stamp_of(msg) == 1_700_000_000_123_456_789
    assert frame_from_message(msg, Modality.RGB).stamp == 1_700_000_000_123_456_789
    assert frame_from_message(msg, Modality.RGB, stamp=5).stamp == 5


def test_stamp_that_the_driver_left_0_stays_0(source: Any) -> None:
    assert stamp_of(image('mono8', 1, 1, b'\1', source=source)) == 0


# --- bad raw images -----------------------------------------------------------------------------

HUGE = 2**32 - 1


@pytest.mark.parametrize(
    ('msg', 'modality', 'message'),
    [
        (image('rgb8', 0, 480, b'1'), 'rgb', r"'rgb8', 0x480, step 0\): it has no pixels"),
        (image('rgb8', 4, 0, b''), 'rgb', 'it has no pixels'),
        (image('rgb8', 4, 2, bytes(24), step=11), 'rgb', 'a row needs 12 bytes, but step is 11'),
        (image('rgb8', 4, 2, bytes(24), step=0), 'rgb', 'a row needs 12 bytes, but step is 0'),
        (image('rgb8', 4, 2, bytes(23)), 'rgb', '2 rows of 12 bytes need 24, but it holds 23'),
        (image('rgb8', 4, 2, b''), 'rgb', 'need 24, but it holds 0'),
        (image('16UC1', HUGE, 1, b'12', step=HUGE), 'depth', f'a row needs {2 * HUGE} bytes'),
        (image('mono8', HUGE, HUGE, b'1', step=HUGE), 'rgb', f'need {HUGE**2}, but it holds 1'),
        (image('16UC1', 1, 1, b'12'), 'rgb', 'this is a depth encoding; colour is rgb8, bgr8'),
        (image('rgb8', 1, 1, b'123'), 'depth', 'not a depth encoding; depth is 16UC1, mono16'),
        (image('64FC1', 1, 1, bytes(8)), 'depth', "'64FC1'.*depth is 16UC1, mono16, 32FC1"),
    ],
)
def test_contradiction_is_refused_with_its_numbers(msg: Any, modality: str, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        frame_from_message(msg, Modality(modality))
    assert str(caught.value).startswith(f"{modality} image of frame 'camera' (encoding '")
    assert '\n' not in str(caught.value)


@given(
    encoding=st.sampled_from(COLOUR + DEPTH) | st.text(max_size=9),
    width=st.integers(0, 9) | st.integers(0, HUGE),
    height=st.integers(0, 9) | st.integers(0, HUGE),
    step=st.integers(0, 40) | st.integers(0, HUGE),
    bigendian=st.integers(0, 255),
    frame_id=st.text(max_size=5),
    content=st.binary(max_size=300),
    modality=st.sampled_from(Modality),
)
def test_random_header_gives_a_frame_of_its_size_or_an_image_error(
    encoding: str,
    width: int,
    height: int,
    step: int,
    bigendian: int,
    frame_id: str,
    content: bytes,
    modality: Modality,
) -> None:
    msg = image(encoding, width, height, content, step=step, bigendian=bigendian)
    msg.header.frame_id = frame_id
    frame = frame_or_one_line(msg, modality)
    if frame is None:
        return
    assert frame.image.shape[:2] == (height, width)
    if modality is Modality.DEPTH:
        assert (np.isnan(frame.image) | (frame.image > 0)).all()


# --- encodings that only cv_bridge knows --------------------------------------------------------


def test_bayer_without_cv_bridge_is_refused_with_the_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)  # as where it is not installed
    with pytest.raises(
        ImageError, match=r"'bayer_rggb8'.*needs cv_bridge, which is not installed.*rgb8, bgr8"
    ):
        rgb(image('bayer_rggb8', 2, 2, bytes(4)))


def test_bayer_goes_through_cv_bridge() -> None:
    pytest.importorskip('cv_bridge', reason='cv_bridge comes with ROS, and is not installed here')
    red = np.zeros((8, 8), np.uint8)
    red[::2, ::2] = 200  # rggb: only the red sensors see light
    picture = rgb(image('bayer_rggb8', 8, 8, red.tobytes(), source=Rclpy))
    assert_array_equal(picture[4, 4], [200, 0, 0])


def test_what_cv_bridge_refuses_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class CvBridge:
        """Fails as the real one does; that one is only where ROS is installed."""

        def imgmsg_to_cv2(self, _msg: Any, _encoding: str) -> None:
            raise TypeError('Unrecognized image\nencoding [x]')

    module = ModuleType('cv_bridge')
    module.CvBridge = CvBridge  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'cv_bridge', module)
    with pytest.raises(
        ImageError, match=r'cannot convert it \(Unrecognized image encoding'
    ) as caught:
        rgb(image('x', 2, 2, bytes(4)))
    assert '\n' not in str(caught.value)


# --- compressed colour --------------------------------------------------------------------------

RED = np.full((48, 64, 3), (0, 0, 250), np.uint8)  # blue first, as OpenCV writes it
RGB_FORMATS = ('jpeg', 'rgb8; jpeg compressed bgr8', 'bgra8; jpeg compressed bgr8', 'bgr8; jpeg')


@pytest.mark.parametrize('data_format', RGB_FORMATS)
def test_jpeg_is_red_green_blue(data_format: str, source: Any) -> None:
    picture = rgb(compressed(data_format, encoded('.jpg', RED), source))
    assert picture.shape == (48, 64, 3)
    # JPEG keeps a flat colour within its conversion's rounding, a few grey levels.
    assert_allclose(picture.astype(int), np.broadcast_to([250, 0, 0], picture.shape), atol=4)


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


def test_png_of_16_bits_is_millimetres(source: Any) -> None:
    content = encoded('.png', np.array([[0, 1234]], np.uint16))
    metres = depth(compressed('16UC1; png compressed', content, source))
    assert_array_equal(metres, np.array([[np.nan, 1.234]], np.float32))


@pytest.mark.parametrize('data_format', ['16UC1; compressedDepth', '16UC1; compressedDepth png'])
def test_compressed_depth_of_16uc1_is_millimetres(data_format: str, source: Any) -> None:
    content = QUANTISATION + encoded('.png', np.array([[0, 1234]], np.uint16))
    metres = depth(compressed(data_format, content, source))
    assert_array_equal(metres, np.array([[np.nan, 1.234]], np.float32))


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


# --- the way back -------------------------------------------------------------------------------


def any_array(encoding: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    if encoding in DEPTH:
        return rng.integers(1, 9000, (4, 5)).astype(DTYPES[encoding])
    shape = (4, 5) if encoding == 'mono8' else (4, 5, PIXEL[encoding])
    return rng.integers(0, 256, shape, np.uint8)


def over_the_wire(msg: Any, source: Any) -> Any:
    """Serialise as DDS and rosbag2 do, and read it again."""
    if source is Rosbags:
        name = 'sensor_msgs/msg/Image'
        return STORE.deserialize_cdr(STORE.serialize_cdr(msg, name), name)
    serialization = pytest.importorskip('rclpy.serialization')
    return serialization.deserialize_message(serialization.serialize_message(msg), type(msg))


@pytest.mark.parametrize('encoding', COLOUR + DEPTH)
def test_filled_message_goes_over_the_wire_and_back(encoding: str, source: Any) -> None:
    pixels = any_array(encoding)
    msg = source.empty('Image')
    fill_image(msg, pixels, encoding)
    msg.header.frame_id = 'camera'
    received = over_the_wire(msg, source)
    assert (received.encoding, received.width, received.height) == (encoding, 5, 4)
    if encoding in DEPTH:
        scale = np.float32(1 if encoding == '32FC1' else 1000)
        assert_array_equal(depth(received), pixels.astype(np.float32) / scale)
    else:
        order = {'b': [2, 1, 0], 'r': [0, 1, 2], 'm': [0, 0, 0]}[encoding[0]]
        assert_array_equal(rgb(received), np.atleast_3d(pixels)[:, :, order])


def test_view_can_be_written() -> None:
    pixels = any_array('rgb8')
    msg = Rosbags.empty('Image')
    fill_image(msg, pixels[1:3, ::-1, ::-1], 'bgr8')
    assert_array_equal(rgb(msg), pixels[1:3, ::-1])


@pytest.mark.parametrize(
    ('pixels', 'encoding', 'message'),
    [
        (np.zeros((2, 2, 3), np.uint8), 'yuv422', "cannot write encoding 'yuv422'; use rgb8"),
        (np.zeros((2, 2, 3), np.float32), 'rgb8', 'not rgb8: that is uint8 with 3'),
        (np.zeros((2, 2), np.uint8), 'rgb8', 'not rgb8'),
        (np.zeros((2, 2), np.float32), '16UC1', 'not 16UC1: that is uint16 with 1'),
        (np.zeros(4, np.uint8), 'mono8', 'not mono8'),
        (np.zeros((1, 2, 2, 3), np.uint8), 'rgb8', 'not rgb8'),
    ],
)
def test_array_of_another_type_is_refused(pixels: np.ndarray, encoding: str, message: str) -> None:
    msg = Rosbags.empty('Image')
    with pytest.raises(ImageError, match=message):
        fill_image(msg, pixels, encoding)
    assert msg.encoding == ''


# --- a real recording ---------------------------------------------------------------------------


def test_real_recording_is_read(shared_data: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    frames = []
    with Reader(shared_data / 'bags' / 'single_depth_color_640x480.bag') as reader:
        for connection, _, content in reader.messages():
            if connection.msgtype == 'sensor_msgs/msg/Image':
                msg = store.deserialize_ros1(content, connection.msgtype)
                is_depth = msg.encoding == 'mono16'
                frames.append(frame_from_message(msg, Modality.DEPTH if is_depth else Modality.RGB))
                raw = msg.data.view('<u2' if is_depth else 'u1')
                expected = raw / 1000 if is_depth else raw
                known = np.nan_to_num(frames[-1].image)
                # float32 keeps seven digits of the metres.
                assert_allclose(known.ravel(), expected, rtol=1e-6)
    assert [frame.modality.value for frame in frames] == ['depth', 'rgb', 'depth']
    assert [frame.stamp for frame in frames] == [360815089000, 360713523000, 360981765000]
    assert {frame.image.shape[:2] for frame in frames} == {(480, 640)}
    # A room, seen by a RealSense: some of it unknown, the rest within the sensor's 10 m.
    assert np.isnan(frames[0].image).any()
    assert 0.1 < np.nanmin(frames[0].image) < np.nanmedian(frames[0].image) < 10
