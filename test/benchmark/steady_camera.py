# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A camera that costs little: ready-made messages, 640 × 480, rgb8 and 16UC1.

``steady_camera.py RATE`` publishes so many pairs a second on /rgb/image and /depth/image until it
is ended; ``steady_camera.py RATE /front /left`` does so for several cameras, which are triggered
together.
"""

from __future__ import annotations

import signal
import sys
import time
from itertools import count, cycle
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from mm_perception.images import fill_image
from mm_perception.interface.messages import time_of

_PICTURES = 6  # in turn, so that none looks frozen


def pictures() -> list[tuple[Any, Any]]:
    """Make pairs of messages: a bright thing before a wall, with noise and holes as a Kinect's."""
    noise, made = np.random.default_rng(0), []
    for number in range(_PICTURES):
        grain = noise.normal(0, 6, (480, 640, 3))
        colour = np.full((480, 640, 3), (90, 110, 130)) + grain
        metres = np.full((480, 640), 1.6) + noise.normal(0, 0.002, (480, 640))
        centre = (320 + 4 * number, 240)
        cv2.circle(colour, centre, 90, (200, 60, 50), -1)
        cv2.circle(metres, centre, 90, 0.9, -1)
        metres[noise.random(metres.shape) < 0.05] = 0
        rgb, depth = Image(), Image()
        fill_image(rgb, np.clip(colour, 0, 255).astype(np.uint8), 'rgb8')
        fill_image(depth, (metres * 1000).astype(np.uint16), '16UC1')
        rgb.header.frame_id = depth.header.frame_id = 'camera'
        made.append((rgb, depth))
    return made


def main() -> None:
    """Publish at the rate on the command line."""
    namespaces = sys.argv[2:] or ['']
    period = 1 / float(sys.argv[1])
    ready = pictures()
    rclpy.init()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    node = rclpy.create_node('steady_camera')
    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    topics = [f'{space}/{eye}/image' for space in namespaces for eye in ('rgb', 'depth')]
    publishers = [node.create_publisher(Image, topic, qos) for topic in topics]
    start = time.monotonic()
    for number in count():
        time.sleep(max(0.0, start + number * period - time.monotonic()))
        stamp = time_of(time.time_ns())
        for publisher, message in zip(publishers, cycle(ready[number % _PICTURES]), strict=False):
            message.header.stamp = stamp
            publisher.publish(message)


if __name__ == '__main__':
    main()
