# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A node of the tests' process, with a context of its own, that a thread spins."""

from __future__ import annotations

import threading

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor


class Participant:
    """One who takes part in what goes on over DDS."""

    def __init__(self, name: str, domain: int, *arguments: str) -> None:
        self._context = Context()
        rclpy.init(args=['--ros-args', *arguments], context=self._context, domain_id=domain)
        self.node = rclpy.create_node(name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)

    def begin(self) -> None:
        """Spin from now on: what was subscribed to so far misses nothing."""
        self._thread.start()

    def _spin(self) -> None:
        while not self._over.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
