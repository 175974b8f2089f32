# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One eye of a camera as a process of its own: ``camera_process.py BAG MODALITY ORIGIN [OPTIONS]``.

It plays the bag's images in a circle, at the moments that lie whole periods after ORIGIN, so that
the two eyes' images belong together whenever each was started. Orders come on standard input, a
line of JSON each (`orders.Orders`); what is sent is told on standard output (`orders.Shot`).
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from camera_messages import compressed, raw
from orders import Orders, Shot
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from mm_perception.health import NS
from mm_perception.images import frame_from_message
from mm_perception.observation import Modality
from training.live.camera import Camera, open_recording
from training.recordings.storage import open_storage

_LAG = {Modality.RGB: 0, Modality.DEPTH: 5_000_000}  # ns by which an eye's images are later
_EASE = 0.004  # seconds between the images of a burst, so that each can be taken for the newest
_MEET = 5.0  # seconds that the node has to find it
_NAP = 0.005  # seconds between two looks at the orders while nothing is due


class Eye:
    """Sends what it is ordered to."""

    def __init__(self, bag: Path, modality: Modality, origin: int, options: Any) -> None:
        self.modality, self.origin = modality, origin + _LAG[modality]
        self.orders = Orders()
        self._ordered = time.time_ns()
        recording = open_recording(bag)
        topic = Camera.of(recording).images[modality]
        with open_storage(recording.files) as storage:
            messages = [received.read() for received in storage.messages([topic])]
        self._pictures = [_pixels(message, modality) for message in messages]
        self._pack, kind = compressed if options.compressed else raw, Image
        if options.compressed:
            topic += '/compressed' if modality is Modality.RGB else '/compressedDepth'
            kind = CompressedImage
        self._is_image = not options.text
        if options.text:
            self._pack, kind = _text, String
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy[options.reliability.upper()])
        self._node = rclpy.create_node(f'{modality}_eye')
        self._publisher = self._node.create_publisher(kind, topic, qos)
        self._held: list[tuple[Any, Shot]] = []
        self._frozen: tuple[Any, int] | None = None  # a picture, and when it was new
        self._last: tuple[Any, int] | None = None

    def obey(self, orders: Orders) -> None:
        """Work otherwise from now on."""
        self._frozen = self._last if orders.picture == 'frozen' else None
        self._ordered = time.time_ns()
        self.orders = orders

    def moments(self) -> Iterator[tuple[int, int]]:
        """Wait for each moment at which an image is taken; give its number and its time."""
        done = -1
        while True:
            orders = self.orders
            period = round(NS / orders.rate)
            behind = self.origin + round(orders.latency * NS)
            number = (time.time_ns() - behind) // period
            taken = self.origin + number * period
            if taken > done:
                done = taken
                yield number, taken
            rest = (behind + (number + 1) * period - time.time_ns()) / NS
            time.sleep(max(0.0, min(rest, _NAP)))

    def run(self) -> None:
        """Go on until the process is ended; begin when somebody listens."""
        end = time.monotonic() + _MEET * self._is_image
        while not self._publisher.get_subscription_count() and time.monotonic() < end:
            time.sleep(_NAP)
        for number, taken in self.moments():
            orders = self.orders
            if not orders.hold and not orders.swap:
                self._flush()
            if orders.silent:
                continue
            self._take(orders, number, taken)
            if orders.swap and number % 2:
                self._held.reverse()
                self._flush()

    def _take(self, orders: Orders, number: int, taken: int) -> None:
        picture, fresh = self._frozen or (self._pictures[number % len(self._pictures)], 0)
        stamp = 0
        if orders.stamp == 'taken':
            drift = orders.drift * (taken - self._ordered)
            stamp = taken + round(orders.offset * NS + drift)
        message = self._pack(self.modality, picture, orders)
        if hasattr(message, 'header'):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, NS)
            message.header.frame_id = 'camera'
        wall = time.time_ns()
        shot = Shot(
            modality=self.modality,
            stamp=stamp,
            wall=wall,
            fresh=fresh or wall,
            good=self._is_image and orders.good(self.modality),
            rate=orders.rate / (1 + orders.drift),  # as the stamps tell it
        )
        if not fresh and shot.good:
            self._last = picture, wall
        if orders.hold or orders.swap:
            self._held.append((message, shot))
            return
        for _ in range(orders.copies):
            self._send(message, shot.model_copy(update={'wall': time.time_ns()}))

    def _flush(self) -> None:
        for message, shot in self._held:
            self._send(message, shot.model_copy(update={'wall': time.time_ns()}))
            time.sleep(_EASE)
        self._held.clear()

    def _send(self, message: Any, shot: Shot) -> None:
        print(shot.model_dump_json(), flush=True)  # noqa: T201 - what it is started for
        self._publisher.publish(message)


def _pixels(message: Any, modality: Modality) -> Any:
    """Colour as rgb8, depth in millimetres."""
    image = frame_from_message(message, modality).image
    if modality is Modality.RGB:
        return image
    return np.nan_to_num(np.rint(image * 1000)).astype(np.uint16)


def _text(*_: object) -> String:
    return String(data='no image')


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser()
    parser.add_argument('bag', type=Path)
    parser.add_argument('modality', type=Modality)
    parser.add_argument('origin', type=int)
    parser.add_argument('--reliability', default='best_effort')
    parser.add_argument('--compressed', action='store_true')
    parser.add_argument('--text', action='store_true', help='of the wrong type')
    options = parser.parse_args()
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    eye = Eye(options.bag, options.modality, options.origin, options)

    def listen() -> None:
        for line in sys.stdin:
            eye.obey(Orders.model_validate_json(line))

    threading.Thread(target=listen, daemon=True).start()
    with suppress(KeyboardInterrupt, BrokenPipeError):
        eye.run()
    rclpy.try_shutdown()


if __name__ == '__main__':
    main()
