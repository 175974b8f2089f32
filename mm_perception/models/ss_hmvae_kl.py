# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SS-HMVAE-kl: SS-HMVAE whose single modalities learn to say what all of them say together.

Suzuki & Matsuo, Semi-supervised multimodal learning with deep generative models, IPSJ Journal
59(12), 2018, §3.5.2. Generative story and bounds are SS-HMVAE's; there is one more encoder
q_λ(a|x_m) for each modality, drawn towards the joint one over labelled and unlabelled data::

    J_div = E_D[Σ_m KL(q_φ(a|x) ‖ q_λ(a|x_m))]                                       (eq. 12)
    J_kl  = J − β J_div                                                              (eq. 13)

E_D is the mean over all items of both batches, as the paper words it. (The authors' own code, in
the library Tars, adds up the two batches' means, which weighs about twice as much.)

All is trained at once, so J_div also draws the joint encoder towards what single modalities can
know; with ``stop_gradient`` it does not. The classifier by one modality is
q(y|x_m) = E_{q_λ(a|x_m)}[q(y|a)], without iteration.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from mm_perception.models.distributions import Gaussian, nearest, without_gradient
from mm_perception.models.networks import TABLES, GaussianNetwork, Trunk
from mm_perception.models.objective import Objective, mean, stacked
from mm_perception.models.settings import ModelSettings
from mm_perception.models.ss_hmvae import SSHMVAE


class SSHMVAEKL(SSHMVAE):
    """SS-HMVAE-kl.

    Attributes:
        q_a_single: q_λ(a|x_m) by modality.

    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        trunk, widths = TABLES[settings.networks].q_a_single, settings.widths
        self.q_a_single = nn.ModuleDict(
            {
                m: GaussianNetwork(Trunk({m: dimension}, widths.hidden, trunk), widths.a)
                for m, dimension in self.modalities.items()
            }
        )

    def objective(
        self, labelled: Mapping[str, Tensor], y: Tensor, unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        """Value −J_kl (eq. 13); arguments and errors as for SS-HMVAE, terms with ``J_div``."""
        x = stacked(labelled, y, unlabelled, self.modalities)
        q_a = self.q_a(**x)
        loss, terms = self.bounds(x, q_a, y)
        target = without_gradient(q_a) if self.settings.stop_gradient else q_a
        singles = [self.q_a_single[m](**{m: x[m]}) for m in self.modalities]
        J_div = mean(torch.stack([kl_divergence(target, q) for q in singles]).sum(0))
        return Objective(loss + self.settings.beta * J_div, terms | {'J_div': J_div.detach()})

    def posterior(self, inputs: Mapping[str, Tensor]) -> Gaussian:
        """q(a|·) of any modalities: the joint encoder's of all, q_λ(a|x_m) of one.

        Of several but not all, which the paper's two modalities do not know, it is the Gaussian
        that makes J_div over those present least (see ``nearest``).
        """
        if set(inputs) == set(self.modalities):
            return super().posterior(inputs)
        return nearest([self.q_a_single[m](**{m: x_m}) for m, x_m in inputs.items()])
