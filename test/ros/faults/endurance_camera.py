# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that lives fast: ``endurance_camera.py NAMESPACE RATE``, a process of its own.

It publishes RATE pairs a second whose stamps are a thirtieth of a second apart. Of every half
minute by its stamps each sensor is lost for three seconds.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from typing import Any

import numpy as np
import rclpy
from outside import NS
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from mm_perception.images import fill_image
from mm_perception.observation import Modality

RATE = 30  # pairs a second by the stamps
CIRCLE = 30 * RATE  # pairs, after which it begins anew
LOST = {Modality.DEPTH: (8 * RATE, 11 * RATE), Modality.RGB: (22 * RATE, 25 * RATE)}
_PICTURES = 40
_SIZE = (120, 160)


def _messages(modality: Modality) -> list[Image]:
    random = np.random.default_rng(0)
    made = []
    for _ in range(_PICTURES):
        message: Any = Image()
        if modality is Modality.RGB:
            fill_image(message, random.integers(20, 230, (*_SIZE, 3), np.uint8), 'rgb8')
        else:
            fill_image(message, random.integers(600, 3000, _SIZE, np.uint16), '16UC1')
        message.header.frame_id = 'eye'
        made.append(message)
    return made


def main() -> None:
    namespace, rate = sys.argv[1], float(sys.argv[2])
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('fast_camera')
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    eyes = {m: node.create_publisher(Image, f'{namespace}/{m}/image', qos) for m in Modality}
    messages = {m: _messages(m) for m in Modality}
    begun, due, number = time.time_ns(), time.monotonic(), 0
    while True:
        stamp = begun + number * NS // RATE
        for modality, eye in eyes.items():
            first, end = LOST[modality]
            if not first <= number % CIRCLE < end:
                message = messages[modality][number % _PICTURES]
                message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, NS)
                eye.publish(message)
        number += 1
        due = max(due + 1 / rate, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        main()
    rclpy.try_shutdown()
