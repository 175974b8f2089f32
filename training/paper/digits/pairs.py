# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Two modalities of one digit: hmMNIST and nmMNIST (§4.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from training.paper.digits.mnist import SIDE
from training.paper.digits.warp import Warp


class Pairs(Protocol):
    """A way to make the modalities x and w of a digit.

    Attributes:
        name: As the paper calls it.
        dimension: Pixels of each modality.

    """

    @property
    def name(self) -> str:
        """What the paper calls it."""

    @property
    def dimension(self) -> int:
        """Pixels of each modality."""

    def __call__(
        self, digits: Tensor, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Make x and w, [B, dimension] in [0, 1], of digits [B, 28, 28] in [0, 1]."""


@dataclass(frozen=True)
class Halves:
    """hmMNIST: x is the digit's left half, w its right one."""

    name: str = 'hmMNIST'
    dimension: int = SIDE * SIDE // 2

    def __call__(
        self,
        digits: Tensor,
        generator: torch.Generator | None = None,  # noqa: ARG002 - nothing is drawn
    ) -> dict[str, Tensor]:
        """Cut [B, 28, 28] in two [B, 392]."""
        middle = SIDE // 2
        return {'w': digits[:, :, middle:].flatten(1), 'x': digits[:, :, :middle].flatten(1)}


@dataclass(frozen=True)
class Noisy:
    """nmMNIST(n, σ): x is the digit turned by a uniform angle in [−n, n], w the digit in noise.

    Attributes:
        name: As the paper calls it.
        degrees: n.
        sigma: Standard deviation of the Gaussian noise, after which w is clipped to [0, 1].
        dimension: Pixels of each modality.

    """

    name: str
    degrees: float
    sigma: float
    dimension: int = SIDE * SIDE

    def __call__(
        self, digits: Tensor, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Turn [B, 28, 28], and disturb it: two [B, 784]."""
        noise = torch.randn(digits.shape, device=digits.device, generator=generator)
        x = Warp(rotation=self.degrees)(digits, generator)
        return {'w': (digits + self.sigma * noise).clamp(0, 1).flatten(1), 'x': x.flatten(1)}


PAIRS: dict[str, Pairs] = {
    pairs.name: pairs
    for pairs in (
        Halves(),
        Noisy('nmMNIST(pi/3, 0.3)', 60, 0.3),
        Noisy('nmMNIST(pi/4, 0.5)', 45, 0.5),
        Noisy('nmMNIST(2pi/3, 0.7)', 120, 0.7),
    )
}
"""The paper's data sets, by name."""
