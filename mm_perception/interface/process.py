# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A node, or one a camera, as a process: its signals, its exit code, its processors."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import rclpy
import torch
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation as ros

from mm_perception.errors import MMPerceptionError
from mm_perception.interface.command_line import CommandLine
from mm_perception.serving.memory import keep_freed_memory
from mm_perception.serving.pool import ClassifierPool

_REFUSALS = (MMPerceptionError, ros.RCLError, ros.UnknownROSArgsError)

_THREADS = torch.get_num_threads()  # as the user has it
_STOP = 1.0  # seconds that the cameras' threads have to end before the process ends


class Runnable(Protocol):
    """A node as `run` needs it."""

    def start(self) -> None:
        """Do what comes before the first callback."""

    def interrupt(self) -> None:
        """Take note of a signal; called by its handler."""

    def close(self) -> None:
        """End everything."""


Make = Callable[[str, ClassifierPool], Runnable]
"""Makes a node of a namespace and what it shares with the others."""


def main(make: Make) -> None:
    """Be the process of a node, or of one for each camera."""
    keep_freed_memory()
    code = run(make)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # a daemon may have closed them
        stream.flush()
    # All is closed; taking torch down, too, would take a small machine seconds.
    os._exit(code)


def run(make: Make, args: Sequence[str] | None = None) -> int:
    """Run nodes until a signal ends them; return the exit code, 2 for refused parameters."""
    nodes: list[_Spinning] = []
    begun, running, signals = False, False, []

    def interrupt(number: int, _: object) -> None:  # rclpy's own handler wakes the executors first
        signals.append(number)
        if len(signals) == 1:
            for each in reversed(nodes):  # the first one may raise: it is on this thread
                each.node.interrupt()

    def over() -> bool:
        return bool(signals) or not rclpy.ok() or any(each.error for each in nodes)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        line = CommandLine.of(sys.argv if args is None else args)
        rclpy.init(args=[*line.ros])
        begun = True
        pool = ClassifierPool(len(line.namespaces))
        nodes.extend(_Spinning(make(name, pool), over) for name in line.namespaces)
        running = True
        _spin(nodes)
    except (Exception, KeyboardInterrupt) as error:
        # Once the end has begun anything may surface: C makes other exceptions of an interrupt.
        if not (signals or (begun and not rclpy.ok())):
            if running or not isinstance(error, _REFUSALS):
                raise
            print(f'mm_perception: {" ".join(str(error).split())}', file=sys.stderr)  # noqa: T201 - for whoever started it
            return 2
    finally:
        signals.append(0)  # impatience must not cut the ending short
        end = time.monotonic() + _STOP
        for each in nodes:
            each.end(end)
        rclpy.try_shutdown()
    return 0


def _spin(nodes: Sequence[_Spinning]) -> None:
    """Run nodes until it is over; the first one on this thread, which signals can break off."""
    for other in nodes[1:]:
        other.begin()
    nodes[0].run()
    for error in filter(None, [other.error for other in nodes]):
        raise error


class _Spinning:
    """A node with an executor of its own.

    What one camera's node does, as loading a model, must not keep the images of the others waiting.
    And an executor looks through the topics of all its nodes before it takes an image.
    """

    def __init__(self, node: Runnable, over: Callable[[], bool]) -> None:
        """Take a node, and what says whether the process is to end."""
        self.node = node
        self.error: Exception | KeyboardInterrupt | None = None
        self._over = over
        self._thread: threading.Thread | None = None
        # There until signals are no more rclpy's affair: its thread that wakes executors when one
        # comes would touch what is gone.
        self._executor: SingleThreadedExecutor | None = None

    def begin(self) -> None:
        """Run on a thread of its own, which does not keep the process from ending."""

        def run() -> None:
            try:
                self.run()
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - see _spin
                self.error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Run on this thread until it is over."""
        if not self._over():
            self.node.start()
        executor = self._executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        while not self._over():
            # With a timeout: a signal that comes just before an endless wait would go unnoticed.
            executor.spin_once(timeout_sec=0.5)

    def end(self, until: float) -> None:
        """Close the node, unless its thread is still at something then, as at a model to load."""
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread is None or not self._thread.is_alive():
            self.node.close()


def share_processors(engines: Iterable[str]) -> None:
    """Leave the processors to the engines: beside others than its own, torch has little to do.

    Its threads would go on spinning for a while after each piece of work.
    """
    own = any(engine.startswith('torch') for engine in engines)
    torch.set_num_threads(_THREADS if own else 1)
