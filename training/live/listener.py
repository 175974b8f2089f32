# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Writes down what the node says: ``python -m training.live.listener [NODE]``.

A process of its own, so that a time of receipt does not wait for a picture that is being drawn.
Events go to standard output, a line of JSON each (`training.live.events`).
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args
from std_msgs.msg import String

from mm_perception.observation import Modality
from training.live.events import Event, Label, Mode, Ready, Said, Status, write_event

NODE = '/mm_perception'
"""The node's name, fully qualified."""

_QUEUE = 100  # labels that may wait while this process does not get the processor


class Listener(Node):  # type: ignore[misc] # rclpy is not typed
    """Subscribes to all that the node says, and tells it as events."""

    def __init__(self, node: str, tell: Callable[[Event], None]) -> None:
        """Subscribe.

        Args:
            node: The node to listen to, fully qualified.
            tell: Takes every event.

        """
        super().__init__('listener')
        self._node, self._tell = node, tell
        namespace = node.rpartition('/')[0]
        kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(String, f'{node}/modality', self._on_mode, kept)
        self.create_subscription(String, f'{namespace}/object_label', self._on_said, _QUEUE)
        self.create_subscription(DiagnosticArray, f'{node}/prediction', self._on_prediction, _QUEUE)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, _QUEUE)

    def _on_said(self, message: Any, info: Any) -> None:
        self._tell(Said(wall=_received(info), label=message.data))

    def _on_mode(self, message: Any, info: Any) -> None:
        self._tell(Mode(wall=_received(info), mode=message.data))

    def _on_prediction(self, message: Any, info: Any) -> None:
        for status in message.status:
            self._tell(_label({v.key: v.value for v in status.values}, info))

    def _on_diagnostics(self, message: Any, info: Any) -> None:
        for status in message.status:
            node, _, subject = status.name.partition(': ')
            if node == self._node:
                self._tell(
                    Status(
                        wall=_received(info),
                        subject=subject,
                        level=status.level[0],
                        message=status.message,
                        values={v.key: v.value for v in status.values},
                    )
                )


def _label(values: dict[str, str], info: Any) -> Label:
    stamps = {m: int(values[f'{m}_stamp']) for m in Modality if f'{m}_stamp' in values}
    return Label(
        wall=_received(info),
        sent=info['source_timestamp'] or _received(info),
        label=values['label'],
        mode=values['mode'],
        confidence=float(values['confidence']),
        stamps=stamps,
        latency_ms=float(values['latency_ms']),
        inference_ms=float(values['inference_ms']),
    )


def _received(info: Any) -> int:
    """When the middleware received the message; now, where it does not say."""
    received: int = info['received_timestamp'] or time.time_ns()
    return received


def _tell(event: Event) -> None:
    print(write_event(event), flush=True)  # noqa: T201 - these lines are what it is started for


def main() -> int:
    """Listen until SIGINT or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have had SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    words = remove_ros_args(sys.argv)[1:]
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    try:
        executor = SingleThreadedExecutor()
        executor.add_node(Listener(words[0] if words else NODE, _tell))
        _tell(Ready(wall=time.time_ns()))
        while rclpy.ok():
            executor.spin_once(timeout_sec=0.5)
    except (KeyboardInterrupt, ExternalShutdownException, BrokenPipeError):
        pass
    finally:
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
