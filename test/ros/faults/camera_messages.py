# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A picture as the message that a camera with such orders would make of it."""

from __future__ import annotations

import os
from array import array
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from mm_perception.images import fill_image
from mm_perception.observation import Modality

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from orders import Orders

_MARGIN = 16  # bytes
_OWN = {Modality.RGB: 'rgb8', Modality.DEPTH: '16UC1'}
_ALL_ONE = {'black': 0, 'white': 255, 'zero': 0, 'level': 1500, 'nan': 0}


def raw(modality: Modality, picture: NDArray[Any], orders: Orders) -> Image:
    """Make a sensor_msgs/Image, but for its header."""
    pixels = _shown(picture, orders)[:: orders.scale, :: orders.scale]
    encoding = '32FC1' if orders.picture == 'nan' else orders.encoding or _OWN[modality]
    pixels, written = _encoded(pixels, encoding, _OWN[modality])
    message = Image()
    fill_image(message, pixels, written)
    message.encoding = encoding
    if orders.step == 'margin':
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        padded = np.pad(rows, ((0, 0), (0, _MARGIN)), constant_values=255)
        message.data, message.step = _bytes(padded.tobytes()), message.step + _MARGIN
    elif orders.step != 'tight':  # contradicts the width, or the size of the data
        message.step += {'short': -_MARGIN, 'long': _MARGIN}[orders.step]
    if orders.data == 'none':
        message.data = _bytes(b'')
    return message


def compressed(modality: Modality, picture: NDArray[Any], orders: Orders) -> CompressedImage:
    """Make a sensor_msgs/CompressedImage as image_transport does, but for its header."""
    shown = _shown(picture, orders)
    if modality is Modality.RGB:
        data = cv2.imencode('.jpg', np.ascontiguousarray(shown[..., ::-1]))[1].tobytes()
        kind = 'rgb8; jpeg compressed bgr8'
    else:
        data = bytes(12) + cv2.imencode('.png', shown)[1].tobytes()
        kind = '16UC1; compressedDepth'
    if orders.data != 'whole':
        data = os.urandom(len(data)) if orders.data == 'garbage' else b''
    return CompressedImage(format=kind, data=_bytes(data))


def _shown(picture: NDArray[Any], orders: Orders) -> NDArray[Any]:
    if orders.picture in ('bag', 'frozen'):
        return picture
    blank = np.zeros_like(picture)
    blank[:] = (90, 20, 20) if orders.picture == 'colour' else _ALL_ONE[orders.picture]
    return blank


def _encoded(pixels: NDArray[Any], encoding: str, own: str) -> tuple[NDArray[Any], str]:
    """Change the pixels to an encoding of the modality; leave them for one that it has not."""
    if encoding == 'bgr8':
        return pixels[..., ::-1], encoding
    if encoding == 'mono8':
        return pixels[..., 0], encoding
    if encoding == 'rgba8':
        return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]), encoding
    if encoding == '32FC1':
        metres = pixels.astype(np.float32) / 1000
        metres[pixels == 0] = np.nan
        return metres, encoding
    return pixels, encoding if encoding == 'mono16' else own


def _bytes(data: bytes) -> array[int]:
    return array('B', data)
