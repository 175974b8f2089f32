# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bundle + Observation → Prediction; owns the device and the warm-up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch

from mm_perception.bundle import Bundle
from mm_perception.errors import SettingsError, StaleError
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

    def classify(
        self, observation: Observation, trusted: Callable[[Modality], bool] = lambda _: True
    ) -> Prediction:
        """Label an observation.

        A modality whose region shows nothing is left out, and so is one whose sensor is lost while
        its features are computed. The prediction's mode says so.

        Args:
            observation: What was seen.
            trusted: Whether a sensor can be trusted now; asked time and again.

        Raises:
            ImageError: No modality shows anything.
            StaleError: No sensor can be trusted any more.

        """
        images = self.pipeline.prepare(observation)
        used, probabilities = self._probabilities(images, trusted)
        scores = dict(zip(self.classes, probabilities, strict=True))
        label = max(scores, key=scores.__getitem__)
        return Prediction(observation.stamp, mode_of(used), label, scores)

    def _probabilities(
        self, images: dict[Modality, Image], trusted: Callable[[Modality], bool] = lambda _: True
    ) -> tuple[list[Modality], list[float]]:
        """Give the modalities used, and the class probabilities."""
        batch = {modality: image[None] for modality, image in images.items()}

        def run() -> tuple[list[Modality], list[float]]:
            features = self.pipeline.features(batch, trusted)
            if not features:
                raise StaleError(f'{mode_of(images)}: lost before the label was made')
            with torch.inference_mode():
                named = {str(modality): values for modality, values in features.items()}
                return list(features), self.bundle.head(named)[0].tolist()

        return self._or_on_cpu(run)

    def _move(self, device: torch.device) -> None:
        try:
            self.pipeline.to(device)
            self.bundle.head.to(device)
        except torch.OutOfMemoryError as error:
            self._fall_back(error)

    def _or_on_cpu(self, action: Callable[[], T]) -> T:
        """Do it; when the GPU has no memory for it, move to the CPU for good and do it there."""
        try:
            return action()
        except torch.OutOfMemoryError as error:
            self._fall_back(error)
        return action()

    def _fall_back(self, error: torch.OutOfMemoryError) -> None:
        self.fault = (
            f'out of GPU memory ({str(error).split(". ")[0]}): running on the CPU; '
            'free the GPU, then deactivate and activate'
        )
        self._move(torch.device('cpu'))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
