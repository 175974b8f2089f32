# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Raw image messages, good and bad."""

from __future__ import annotations

import struct
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_messages import (
    COLOUR,
    DEPTH,
    PIXEL,
    STORE,
    Rclpy,
    Rosbags,
    depth,
    frame_or_one_line,
    from_either_library,
    image,
    rgb,
)
from numpy.testing import assert_allclose, assert_array_equal
from rosbags.rosbag1 import Reader
from rosbags.typesys import Stores, get_typestore

from mm_perception.errors import ImageError
from mm_perception.images import fill_image, frame_from_message, stamp_of
from mm_perception.observation import Modality

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = {'16UC1': np.uint16, 'mono16': np.uint16, '32FC1': np.float32}

# --- raw colour ---------------------------------------------------------------------------------


@from_either_library
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


@from_either_library
def test_grey_becomes_three_equal_channels(source: Any) -> None:
    msg = image('mono8', 2, 1, bytes([7, 9]), source=source)
    assert_array_equal(rgb(msg), [[[7, 7, 7], [9, 9, 9]]])


@from_either_library
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


@from_either_library
@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
@pytest.mark.parametrize(('bigendian', 'order'), [(0, '<'), (1, '>')])
def test_millimetres_become_metres_and_0_unknown(
    encoding: str, bigendian: int, order: str, source: Any
) -> None:
    content = struct.pack(f'{order}4H', 0, 1, 1234, 65535)
    metres = depth(image(encoding, 2, 2, content, bigendian=bigendian, source=source))
    assert_array_equal(metres, np.array([[np.nan, 0.001], [1.234, 65.535]], np.float32))
    assert metres.dtype == np.float32


@from_either_library
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


@from_either_library
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


@from_either_library
def test_stamp_is_the_headers_in_nanoseconds(source: Any) -> None:
    msg = image('mono8', 1, 1, b'\1', source=source)
    msg.header.stamp.sec, msg.header.stamp.nanosec = 1_700_000_000, 123_456_789
    assert stamp_of(msg) == 1_700_000_000_123_456_789
    assert frame_from_message(msg, Modality.RGB).stamp == 1_700_000_000_123_456_789
    assert frame_from_message(msg, Modality.RGB, stamp=5).stamp == 5


@from_either_library
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


@from_either_library
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
