# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The node as a process of its own: its signals, its exit code, its memory, its processors."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import rclpy
import torch
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation as ros

from mm_perception.errors import MMPerceptionError

_REFUSALS = (MMPerceptionError, ros.RCLError, ros.UnknownROSArgsError)

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGEST = 32 << 20  # bytes; glibc takes no more
_KEPT = 128 << 20
_THREADS = torch.get_num_threads()  # as the user has it


class Runnable(Protocol):
    """A node as `run` needs it."""

    def start(self) -> None:
        """Do what comes before the first callback."""

    def interrupt(self) -> None:
        """Take note of a signal; called by its handler."""

    def close(self) -> None:
        """End everything."""


def main(make: Callable[[], Runnable]) -> None:
    """Be the process of a node."""
    keep_freed_memory()
    code = run(make)
    for stream in filter(None, (sys.stdout, sys.stderr)):  # a daemon may have closed them
        stream.flush()
    # All is closed; taking torch down, too, would take a small machine seconds.
    os._exit(code)


def run(make: Callable[[], Runnable], args: list[str] | None = None) -> int:
    """Run a node until a signal ends it; return the exit code, 2 for refused parameters."""
    node: Runnable | None = None
    begun, signals = False, []

    def interrupt(number: int, _: object) -> None:  # rclpy's own handler wakes the executor first
        signals.append(number)
        if len(signals) == 1 and node is not None:
            node.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        rclpy.init(args=args)
        begun = True
        node = make()
        if not signals:
            node.start()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        while rclpy.ok() and not signals:
            # With a timeout: a signal that comes just before an endless wait would go unnoticed.
            executor.spin_once(timeout_sec=0.5)
    except (Exception, KeyboardInterrupt) as error:
        # Once the end has begun anything may surface: C makes other exceptions of an interrupt.
        if not (signals or (begun and not rclpy.ok())):
            if node is not None or not isinstance(error, _REFUSALS):
                raise
            print(f'mm_perception: {" ".join(str(error).split())}', file=sys.stderr)  # noqa: T201 - for whoever started it
            return 2
    finally:
        signals.append(0)  # impatience must not cut the ending short
        if node is not None:
            node.close()
        rclpy.try_shutdown()
    return 0


def keep_freed_memory() -> None:
    """Let glibc keep what an image or a network's layer has freed, for the next one.

    By default it gives every piece over 128 KB back to the kernel at once, which has to hand it out
    again, page by page and zeroed, 30 times a second: half of what taking a VGA image costs.
    """
    with suppress(OSError, AttributeError):  # another C library has its own ways
        libc = ctypes.CDLL('libc.so.6')
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def give_back_memory() -> None:
    """Give the kernel what reading weights and measuring engines has left behind."""
    gc.collect()  # a traced network is full of cycles
    with suppress(OSError, AttributeError):  # another C library has its own ways
        ctypes.CDLL('libc.so.6').malloc_trim(0)


def share_processors(engine: str) -> None:
    """Leave the processors to the engine: beside another one, torch has little to do.

    Its threads would go on spinning for a while after each piece of work.
    """
    torch.set_num_threads(_THREADS if engine.startswith('torch') else 1)
