# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From what a camera saw to what the model says of it, whatever computes that."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from mm_perception.head import Judge
from mm_perception.judging import Item, Verdict, joined, verdicts
from mm_perception.objects.boxes import Box
from mm_perception.observation import Observation
from mm_perception.pipeline import Pipeline
from mm_perception.serving.request import Trusted


class Inference(ABC):
    """Prepares observations, and judges several items at once.

    Attributes:
        took: Milliseconds of the last judging by stage, as far as it has stages: the features of
            each modality, and ``classify``.

    """

    took: Mapping[str, float] = {}

    @abstractmethod
    def prepare(self, observation: Observation, box: Box | None = None) -> Item:
        """Give each modality's image as ``judge`` takes it; see `Pipeline.prepare`.

        Raises:
            ImageError: No modality shows anything.

        """

    @abstractmethod
    def judge(self, items: Sequence[Item], trusts: Sequence[Trusted]) -> list[Verdict | None]:
        """Judge items by the modalities that can be trusted to the end.

        Args:
            items: As prepared; not all need to have the same modalities.
            trusts: Of each item, whether a sensor can be trusted now; asked time and again.

        Returns:
            One for each item; None for one that has no modality left.

        """


class InStages(Inference):
    """Pictures on the processor, then features by an engine, then the model."""

    def __init__(self, pipeline: Pipeline, judge: Judge) -> None:
        """Take all where it is to compute."""
        self._pipeline, self._judge = pipeline, judge

    def prepare(self, observation: Observation, box: Box | None = None) -> Item:
        """Make the pictures; see `Inference`."""
        return self._pipeline.prepare(observation, box)

    def judge(self, items: Sequence[Item], trusts: Sequence[Trusted]) -> list[Verdict | None]:
        """Run each network as long as anybody can use its features; see `Inference`."""
        batch = joined(items, self._pipeline.settings.modalities)
        pairs = [*zip(items, trusts, strict=True)]
        whose = {m: dict.fromkeys(t for item, t in pairs if m in item) for m in batch}
        features = self._pipeline.features(batch, lambda m: any(t(m) for t in whose[m]))
        start = time.perf_counter()
        usable = {t: [m for m in features if t(m)] for t in {*trusts}}
        found = verdicts(self._judge, items, features, [usable[t] for t in trusts])
        by_modality = {str(modality): ms for modality, ms in self._pipeline.engine.took.items()}
        self.took = {**by_modality, 'classify': 1e3 * (time.perf_counter() - start)}
        return found
