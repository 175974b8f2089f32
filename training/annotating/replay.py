# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the node would say if a recording's images came now: its own path, with the bag's clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mm_perception.errors import ImageError
from mm_perception.health import NS, HealthSettings
from mm_perception.interface import diagnostics
from mm_perception.interface.annotation import annotate
from mm_perception.interface.diagnostics import Inlet, Source
from mm_perception.objects.finding import finder_for
from mm_perception.observation import NO_MODE, Modality
from mm_perception.pairing import PairingSettings
from mm_perception.serving.labelled import Labelled
from mm_perception.serving.watch import Watch

if TYPE_CHECKING:
    from mm_perception.classifier import Classifier
    from training.annotating.writing import AnnotatedBag
    from training.recordings.bags import Recording
    from training.recordings.storage import Received


class Replay:
    """Takes a recording's images in the order in which they were received.

    Attributes:
        modes: How many labels were made in each mode.
        faults: How many images could not be used, or got no label, by the reason.

    """

    def __init__(
        self,
        recording: Recording,
        eyes: Mapping[str, Modality],
        classifier: Classifier,
        bag: AnnotatedBag,
    ) -> None:
        """Begin at the recording's start.

        Args:
            recording: Where the images come from.
            eyes: Which of its topics is which sensor.
            classifier: Warmed up.
            bag: Takes what is said.

        """
        self.modes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._eyes, self._classifier, self._bag = eyes, classifier, bag
        self._now, self._mode, self._diagnosed = recording.start, NO_MODE, 0
        region = classifier.pipeline.settings.region
        self._watch = Watch(
            classifier,
            HealthSettings(),
            PairingSettings(),
            finder=finder_for('bundle', region, classifier.modalities),
            clock=lambda: self._now,
            said=self._on_label,
            failed=self._on_fault,
            live=False,
        )
        source = f'/{recording.name}'
        self._inlets = {
            modality: Inlet(topic, kind, [Source(source, kind)])
            for topic, modality in eyes.items()
            for kind in [recording.topics[topic].msgtype]
        }
        missing = [m for m in classifier.modalities if m not in self._inlets]
        self._inlets |= {m: Inlet(f'/{m}/image', 'sensor_msgs/msg/Image') for m in missing}
        bag.mode(NO_MODE, self._now)

    def know(self, modality: Modality, info: Any | None) -> None:
        """Take the CameraInfo of a sensor, if it was recorded."""
        if info is not None:
            self._watch.know(modality, info)

    def see(self, message: Received) -> None:
        """Let the time pass until an image was received, and take it.

        Raises:
            RecordingError: It is no image message.

        """
        self._pass_until(message.time)
        try:
            self._watch.see(self._eyes[message.topic], message.read())
        except ImageError as error:
            self._on_fault(error)
        self._look_up()
        if self._now - self._diagnosed >= NS:
            self._diagnose()

    def _pass_until(self, time: int) -> None:
        """Ring the node's alarm, which tells that a sensor is lost, between two images."""
        while (rest := self._watch.rest()) is not None:
            alarm = self._now + round(rest * NS) + 1
            if alarm >= time:
                break
            self._now = alarm
            self._look_up()
        self._now = time

    def _look_up(self) -> None:
        mode = self._watch.poll()
        if mode != self._mode:
            self._mode = mode
            self._bag.mode(mode, self._now)
            self._diagnose()

    def _diagnose(self) -> None:
        self._diagnosed = self._now
        classifier = self._classifier
        path, classes = str(classifier.bundle.path), len(classifier.classes)
        statuses = [
            *self._watch.statuses(self._inlets),
            diagnostics.model_status('active', path, classes, None, self._watch.fault),
            diagnostics.device_status(str(classifier.device), classifier.engine, classifier.fault),
        ]
        self._bag.diagnostics(statuses, self._now)

    def _on_label(self, labelled: Labelled) -> None:
        region = self._classifier.pipeline.settings.region
        picture = annotate(labelled.used, region, labelled.prediction, labelled.objects)
        self._bag.label(labelled, picture, self._now)
        if labelled.prediction is not None:
            self.modes[labelled.prediction.mode] += 1

    def _on_fault(self, error: Exception) -> None:
        self.faults[str(error)] += 1
