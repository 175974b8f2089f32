# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bundle + Observation → Prediction; owns the device and the warm-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from mm_perception.bundle import Bundle
from mm_perception.errors import SettingsError
from mm_perception.observation import Modality, Observation, Prediction, mode_of
from mm_perception.pipeline import Image, Pipeline

Device = Literal['auto', 'cpu', 'cuda']
T = TypeVar('T')


class Classifier:
    """Labels observations with a bundle.

    Made on the CPU, where everything is read and checked; ``warm_up`` moves it to its device and
    ``close`` gives the device's memory back, after which it may be warmed up again.

    Attributes:
        fault: Why it does not run where it was asked to, or None.

    """

    def __init__(
        self, path: Path | str, device: Device = 'auto', backbone_weights: Path | None = None
    ) -> None:
        """Read a bundle.

        Args:
            path: The bundle's folder.
            device: ``auto`` takes a GPU where there is one.
            backbone_weights: The backbone's weights, where the bundle does not hold them and they
                are not in torch's cache.

        Raises:
            BundleError, WeightsError, SettingsError: What was asked for cannot be had.

        """
        if device == 'cuda' and not torch.cuda.is_available():
            raise SettingsError("device: 'cuda' was asked for, but torch finds no GPU; use 'auto'")
        self.bundle = Bundle.load(Path(path))
        weights = self.bundle.backbone_weights
        settings = self.bundle.manifest.pipeline
        if backbone_weights is not None:
            weights = {m: weights.get(m, backbone_weights) for m in settings.modalities}
        self.pipeline = Pipeline(settings, weights)
        on_gpu = device == 'cuda' or (device == 'auto' and torch.cuda.is_available())
        self._wanted = torch.device('cuda' if on_gpu else 'cpu')
        self.fault: str | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of every prediction's probabilities."""
        return self.bundle.manifest.classes

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the bundle was trained with, the preferred one first."""
        return self.pipeline.settings.modalities

    @property
    def device(self) -> torch.device:
        """Where it runs now."""
        return self.pipeline.device

    def warm_up(self) -> None:
        """Move to the device and run every mode once, so that the first label is not late."""
        self.fault = None
        self._move(self._wanted)
        size = self.pipeline.settings.preprocessing.size
        blank = np.zeros((size, size, 3), np.uint8)
        for present in (self.modalities, *((m,) for m in self.modalities)):
            self._probabilities(dict.fromkeys(present, blank))

    def close(self) -> None:
        """Give the device's memory back."""
        self._move(torch.device('cpu'))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def classify(self, observation: Observation) -> Prediction:
        """Label an observation.

        A modality whose region shows nothing is left out, and the prediction's mode says so.

        Raises:
            ImageError: No modality shows anything.

        """
        images = self.pipeline.prepare(observation)
        probabilities = self._probabilities(images)
        scores = dict(zip(self.classes, probabilities, strict=True))
        label = max(scores, key=scores.__getitem__)
        return Prediction(observation.stamp, mode_of(images), label, scores)

    def _probabilities(self, images: dict[Modality, Image]) -> list[float]:
        def run() -> Tensor:
            with torch.inference_mode():
                features = self.pipeline.features({m: image[None] for m, image in images.items()})
                named = {str(modality): values for modality, values in features.items()}
                probabilities: Tensor = self.bundle.head(named)[0].cpu()
                return probabilities

        values: list[float] = self._or_on_cpu(run).tolist()
        return values

    def _move(self, device: torch.device) -> None:
        def move() -> None:
            self.pipeline.to(device)
            self.bundle.head.to(device)

        self._or_on_cpu(move)

    def _or_on_cpu(self, action: Callable[[], T]) -> T:
        """Do it; when the GPU has no memory for it, move to the CPU for good and do it there."""
        try:
            return action()
        except torch.OutOfMemoryError as error:
            self.fault = (
                f'out of GPU memory ({str(error).split(". ")[0]}): running on the CPU; '
                'free the GPU, then deactivate and activate'
            )
        cpu = torch.device('cpu')
        self.pipeline.to(cpu)
        self.bundle.head.to(cpu)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return action()
