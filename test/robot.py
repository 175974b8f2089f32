# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A watch without a node: its messages, its time and its ears are the test's."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from mm_perception.classifier import Classifier
from mm_perception.health import NS, HealthSettings
from mm_perception.images import fill_image
from mm_perception.interface.diagnostics import Inlet, Source
from mm_perception.objects.detections import DetectionFinder
from mm_perception.objects.finding import ObjectFinder
from mm_perception.observation import Modality
from mm_perception.pairing import PairingSettings
from mm_perception.serving.labelled import Labelled
from mm_perception.serving.watch import Watch

RGB, DEPTH = Modality.RGB, Modality.DEPTH
PERIOD = NS // 30
START = 1_000 * NS
PATIENCE = 30.0  # seconds of real time; the clock of the tests is another
IMAGE = 'sensor_msgs/msg/Image'
INLETS = {m: Inlet(f'/{m}', IMAGE, [Source('/driver', IMAGE)]) for m in Modality}


class Robot:
    """A watch whose time is the test's, and who hears what it says."""

    def __init__(
        self,
        classifier: Classifier,
        finder: ObjectFinder | DetectionFinder | None = None,
        *,
        live: bool = True,
    ) -> None:
        self.now = START
        self.labels: list[Labelled] = []
        self.failures: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()
        self._random = np.random.default_rng(0)
        self.watch = Watch(
            classifier,
            HealthSettings(),
            PairingSettings(),
            finder=finder,
            clock=lambda: self.now,
            said=self._hear,
            failed=self.failures.append,
            live=live,
        )

    def _hear(self, labelled: Labelled) -> None:
        self.labels.append(labelled)
        assert self.gate.wait(PATIENCE)

    def image(self, modality: Modality, stamp: int | None = None) -> Any:
        """Make a message as rclpy hands it over, of a scene with noise."""
        at = self.now if stamp is None else stamp
        header = SimpleNamespace(
            stamp=SimpleNamespace(sec=at // NS, nanosec=at % NS), frame_id='camera'
        )
        message = SimpleNamespace(header=header, data=array('B'))
        if modality is RGB:
            pixels = self._random.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            fill_image(message, pixels, 'rgb8')
        else:
            metres = self._random.integers(500, 2000, (48, 64), dtype=np.uint16)
            fill_image(message, metres, '16UC1')
        return message

    def see(self, *modalities: Modality) -> None:
        """Let a frame period pass and an image of each modality arrive."""
        self.now += PERIOD
        for modality in modalities:
            self.watch.see(modality, self.image(modality))

    def idle(self, nanoseconds: int) -> set[str]:
        """Let time pass without an image, polling as the node does; return the modes met."""
        end, modes = self.now + nanoseconds, set()
        while self.now < end:
            self.now += 10_000_000
            modes.add(self.watch.poll())
        return modes

    def wait_for(self, count: int) -> list[Labelled]:
        until(lambda: len(self.labels) >= count)
        return self.labels


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)
