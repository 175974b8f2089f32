# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine does: images of each modality → features of each modality."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.head import Head, Judge
from mm_perception.observation import Modality

Precision = Literal['float32', 'bfloat16', 'int8']
Images = Mapping[Modality, NDArray[np.uint8]]
Wanted = Callable[[Modality], bool]


def always(_: Modality) -> bool:
    """Want every modality to the end."""
    return True


class Engine(ABC):
    """Computes the features of a batch, one modality after the other or all at once.

    Attributes:
        name: What computes and in how many bits, ``openvino int8``.
        precision: In how many bits.
        took: Milliseconds of the last call, by modality; on a GPU until the work is handed over.
            Those of networks that run at once overlap.

    """

    name: str
    precision: Precision
    took: Mapping[Modality, float] = {}

    def __call__(self, images: Images, wanted: Wanted = always) -> dict[Modality, Tensor]:
        """Compute features.

        Args:
            images: [N, size, size, 3] uint8 by modality, red first.
            wanted: Whether a modality still counts. It is asked as often as the engine can: a
                sensor that is lost meanwhile must delay nothing.

        Returns:
            [N, D] float32 ≥ 0 by modality, of those still wanted.

        """
        features: dict[Modality, Tensor] = {}
        took: dict[Modality, float] = {}
        for modality, batch in images.items():
            start = time.perf_counter()
            values = self.compute(modality, batch, partial(wanted, modality))
            took[modality] = 1e3 * (time.perf_counter() - start)
            if values is not None:
                features[modality] = values
        self.took = took
        return {modality: values for modality, values in features.items() if wanted(modality)}

    @abstractmethod
    def compute(
        self, modality: Modality, batch: NDArray[np.uint8], wanted: Callable[[], bool]
    ) -> Tensor | None:
        """Run a modality's network; None once nothing of it is wanted any more."""

    def judge(self, head: Head) -> Judge:
        """Give what judges the features: the head itself, or what computes the same faster."""
        return head
