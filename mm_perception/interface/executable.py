# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What ``ros2 run`` and ``ros2 launch`` start: the node, which Ctrl-C ends from the beginning on.

Importing torch and ROS takes seconds, in which an interrupt would print a traceback.
"""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Import and be the node; a signal that comes before it can take signals ends the process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))  # nothing has begun that wants an ending
    from mm_perception import node  # noqa: PLC0415 - these are the seconds

    node.main()
