# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Record household objects with a simulated Kinect, where no camera is at hand.

A frame's way: `objects` makes an instance, `scene` its table, light and camera's walk, `render`
casts the rays, `kinect` adds what the sensors do to it, `writing` puts it into a bag.
"""

from __future__ import annotations

from .objects import CATEGORIES
from .recorder import TRUTH_TOPIC
from .session import Shot, record_sequence, simulate
from .settings import Fault, SimulationSettings

__all__ = [
    'CATEGORIES',
    'TRUTH_TOPIC',
    'Fault',
    'Shot',
    'SimulationSettings',
    'record_sequence',
    'simulate',
]
