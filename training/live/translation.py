# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded message, as rosbags reads it, put into the ROS client library's own message."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fill_message(target: Any, source: Any) -> None:
    """Copy every field that the recorded message has.

    A large array is written into the target's own memory where it fits: new memory for 30 images a
    second costs more than the copying.

    Args:
        target: A message of rclpy; used again and again for the same topic.
        source: The message as rosbags deserialised it, from a ROS 1 bag too.

    """
    for name in target.get_fields_and_field_types():
        # ROS 1 has the camera matrices in capitals.
        value = getattr(source, name) if hasattr(source, name) else getattr(source, name.upper())
        if isinstance(value, np.ndarray):
            _fill_array(target, name, value)
        elif hasattr(value, '__msgtype__'):
            fill_message(getattr(target, name), value)
        else:
            setattr(target, name, value)


def _fill_array(target: Any, name: str, values: NDArray[Any]) -> None:
    there = getattr(target, name)
    if not isinstance(there, array):  # of fixed size: NumPy's, and small
        setattr(target, name, values)
    elif len(there) == values.size:
        np.frombuffer(there, values.dtype)[:] = values.reshape(-1)
    else:
        filled = array(there.typecode)
        filled.frombytes(np.ascontiguousarray(values).tobytes())
        setattr(target, name, filled)
