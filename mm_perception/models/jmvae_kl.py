# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""JMVAE-kl: JMVAE whose single modalities learn to say what all of them say together.

Suzuki, Nakayama & Matsuo, Joint multimodal learning with deep generative models, 2016
(arXiv:1611.01891), where β is called α; eq. 12 of SS-HMVAE-kl takes it up. There is one more
encoder q_λ(z|x_m) for each modality, drawn towards the joint one::

    J_div = E_D[Σ_m KL(q_φ(z|x) ‖ q_λ(z|x_m))]                                       (eq. 12)
    J     = E_D[U(x)] − β J_div

All is trained at once, so J_div also draws the joint encoder towards what single modalities can
know.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from mm_perception.models.autoencoder_settings import AutoencoderSettings
from mm_perception.models.distributions import Gaussian, nearest
from mm_perception.models.jmvae import JMVAE
from mm_perception.models.objective import Objective


class JMVAEKL(JMVAE):
    """JMVAE-kl.

    Attributes:
        q_z_single: q_λ(z|x_m) by modality.

    """

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__(settings)
        self.q_z_single = nn.ModuleDict(
            {m: self.gaussian(self.trunk({m: d}), settings.z) for m, d in self.modalities.items()}
        )

    def objective(self, inputs: Mapping[str, Tensor]) -> Objective:
        """Value −J on a batch of all modalities; terms as for JMVAE, with ``J_div``."""
        self.check_all(inputs)
        q_z = self.q_z(**inputs)
        loss, terms = self.bound(inputs, q_z)
        singles = [self.q_z_single[m](**{m: inputs[m]}) for m in self.modalities]
        J_div = torch.stack([kl_divergence(q_z, q_lambda) for q_lambda in singles]).sum(0).mean()
        return Objective(loss + self.settings.beta * J_div, terms | {'J_div': J_div.detach()})

    def posterior(self, inputs: Mapping[str, Tensor]) -> Gaussian:
        """q(z|·) of any modalities: the joint encoder's of all, q_λ(z|x_m) of one.

        Of several but not all it is the Gaussian that makes J_div over those present least (see
        ``nearest``).
        """
        self.check(inputs)
        if set(inputs) == set(self.modalities):
            return super().posterior(inputs)
        return nearest([self.q_z_single[m](**{m: x_m}) for m, x_m in inputs.items()])

    def zero_fill_posterior(self, inputs: Mapping[str, Tensor]) -> Gaussian:
        """q(z|·) as JMVAE would give it: the joint encoder's, with zeros for what is missing."""
        return super().posterior(inputs)
