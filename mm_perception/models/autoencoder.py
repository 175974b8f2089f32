# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the models that learn without labels share: decoders, and what they take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mm_perception.models.autoencoder_settings import AutoencoderSettings, Likelihood
from mm_perception.models.networks import (
    BernoulliNetwork,
    BoundedGaussianNetwork,
    GaussianNetwork,
    Layers,
    NonNegativeNetwork,
    Trunk,
)
from mm_perception.models.objective import Objective


class Autoencoder(nn.Module, ABC):
    """From modalities to z, and back.

    Attributes:
        settings: What it was built from.
        modalities: Dimensions by name, in the order of the names.
        layers: The hidden layers of every trunk: on each input by itself.
        gaussian: The network that every Gaussian comes from.
        p_x_z: p_θ(x_m|z) by modality, the decoders (eq. 5 and 9 of Suzuki & Matsuo, 2016).

    """

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.modalities = dict(sorted(settings.modalities.items()))
        self.layers = Layers(before=settings.layers, batch_norm=False)
        bounded = settings.variance == 'exp_tanh'
        self.gaussian = BoundedGaussianNetwork if bounded else GaussianNetwork
        kinds: dict[Likelihood, type[nn.Module]] = {
            'gaussian': self.gaussian,
            'bernoulli': BernoulliNetwork,
            'nonnegative': NonNegativeNetwork,
        }
        self.p_x_z = nn.ModuleDict(
            {
                m: kinds[settings.likelihoods[m]](self.trunk({'z': settings.z}), dimension)
                for m, dimension in self.modalities.items()
            }
        )

    @abstractmethod
    def objective(self, inputs: Mapping[str, Tensor]) -> Objective:
        """Value a batch.

        Args:
            inputs: [B, D_m] of every modality.

        Returns:
            The loss, a mean over the batch, and its terms.

        Raises:
            ValueError: A modality is missing or unknown, or there is no item.

        """

    @abstractmethod
    def represent(self, inputs: Mapping[str, Tensor], *, sampled: bool = False) -> Tensor:
        """Give z of any non-empty choice of modalities.

        Args:
            inputs: [B, D_m] of at least one modality.
            sampled: Whether to draw z from its posterior instead of taking the mean. A model
                whose z is a point has nothing to draw.

        Returns:
            [B, Z].

        Raises:
            ValueError: No modality, or an unknown one.

        """

    def trunk(self, inputs: Mapping[str, int]) -> Trunk:
        """Build the hidden layers over named inputs."""
        return Trunk(inputs, self.settings.hidden, self.layers)

    def log_p_x(self, x: Mapping[str, Tensor], z: Tensor) -> Tensor:
        """Σ_m log p(x_m|z), [B]."""
        return torch.stack([self.p_x_z[m](z=z).log_prob(x[m]) for m in self.modalities]).sum(0)

    def zero_filled(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Complete any modalities: what is missing is 0 at the encoder's input (§4.2)."""
        self.check(inputs)
        some = next(iter(inputs.values()))
        return {m: some.new_zeros(len(some), d) for m, d in self.modalities.items()} | dict(inputs)

    def check(self, inputs: Mapping[str, Tensor]) -> None:
        """Refuse an empty choice of modalities, or one that the model does not know."""
        if not inputs or set(inputs) - set(self.modalities):
            raise ValueError(
                f'no representation of {sorted(inputs)}: give one or more of {[*self.modalities]}'
            )

    def check_all(self, inputs: Mapping[str, Tensor]) -> None:
        """Refuse a batch to learn from that is empty, or not of all modalities."""
        if set(inputs) != set(self.modalities):
            raise ValueError(f'batch of {sorted(inputs)}: the model needs {[*self.modalities]}')
        if not all(len(rows) for rows in inputs.values()):
            raise ValueError('no item in the batch: give at least one')
