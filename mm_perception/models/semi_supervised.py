# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every semi-supervised model answers to, whatever its latent variables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

from torch import Tensor, nn

from mm_perception.models.objective import Objective
from mm_perception.models.settings import ModelSettings


class SemiSupervised(nn.Module, ABC):
    """A classifier that learns from a few labelled and many unlabelled items.

    Attributes:
        settings: What it was built from.
        modalities: Dimensions by name, in the order of the names.

    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.modalities = dict(sorted(settings.modalities.items()))

    @abstractmethod
    def objective(
        self, labelled: Mapping[str, Tensor], y: Tensor, unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        """Value −J on a labelled and an unlabelled batch, either of which may be empty.

        Args:
            labelled: [N, D_m] by modality; an empty mapping is N = 0.
            y: [N] long, the labelled items' classes.
            unlabelled: [M, D_m] by modality; an empty mapping is M = 0.

        Returns:
            The loss, and at least the terms ``L``, ``U`` and ``log_q_y``.

        Raises:
            ValueError: See ``stacked``.

        """

    @abstractmethod
    def bound(self, inputs: Mapping[str, Tensor], y: Tensor, noise: Tensor) -> Tensor:
        """Bound that depends on y, as L has it; ``expected_bounds`` averages it where y is hidden.

        Args:
            inputs: [R, ·] by name: all that it needs beside y.
            y: [R, K], one-hot or nearly so.
            noise: [R, Z] of N(0, I), from which z is drawn.

        Returns:
            [R].

        """

    @abstractmethod
    def probabilities(self, inputs: Mapping[str, Tensor], samples: int = 0) -> Tensor:
        """Classify by any non-empty choice of modalities: q(y|·).

        Call it on a model in ``eval()`` mode.

        Args:
            inputs: [B, D_m] of at least one modality.
            samples: How many samples of a to average over; 0 takes the mean of q(a|·) in their
                place, which is deterministic and needs one pass. A model without a has none to
                take.

        Returns:
            [B, K], rows summing to 1.

        Raises:
            ValueError: No modality, or an unknown one.

        """

    @abstractmethod
    def reconstruct(
        self, inputs: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        """Draw the latent variables from all modalities, and decode some modalities from them.

        Args:
            inputs: [B, D_m] of every modality.
            wanted: The modalities to decode.

        Returns:
            [B, D_m] of each wanted one: the mean of its distribution.

        """

    def check(self, inputs: Mapping[str, Tensor]) -> None:
        """Refuse an empty choice of modalities, or one that the model does not know.

        Raises:
            ValueError: It is.

        """
        if not inputs or set(inputs) - set(self.modalities):
            raise ValueError(
                f'cannot classify by {sorted(inputs)}: give one or more of {list(self.modalities)}'
            )
