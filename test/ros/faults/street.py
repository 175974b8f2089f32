# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A camera for a node of another namespace, and an ear for what that node says."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from outside import Camera, Outside, Said
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from typing_extensions import Self

from mm_perception.observation import Modality


class Street:
    """A camera for a node of another namespace, and an ear for what it says."""

    def __init__(self, outside: Outside, namespace: str, rate: float = 10.0) -> None:
        self.node, self.said = outside.node, []
        self.namespace, self.rate = namespace, rate

    def __enter__(self) -> Self:
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.eyes = {
            m: self.node.create_publisher(Image, f'{self.namespace}/{m}/image', qos)
            for m in Modality
        }
        topic = f'{self.namespace}/mm_perception/prediction'
        self.ear = self.node.create_subscription(DiagnosticArray, topic, self._hear, 10)
        self.camera = Camera(lambda m, message: self.eyes[m].publish(message), rate=self.rate)
        return self

    def __exit__(self, *_: object) -> None:
        self.camera.stop()
        self.node.destroy_subscription(self.ear)
        for eye in self.eyes.values():
            self.node.destroy_publisher(eye)

    def _hear(self, message: Any) -> None:
        (status,) = message.status
        values = {pair.key: pair.value for pair in status.values}
        self.said.append(Said(time.time_ns(), values, message.header))
