# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SS-MVAE: M2 of several modalities, which share a class and a style and nothing else.

Suzuki & Matsuo, Semi-supervised multimodal learning with deep generative models, IPSJ Journal
59(12), 2018, §3.3. Its x and w are here a mapping of any number of modalities x_m.

The generative story. A class y and a style z, which knows nothing of the class, together make each
modality::

    y ~ p(y) = Cat(1/K)    z ~ p(z) = N(0, I)    x_m ~ p(x_m|z,y) for each m

Inference goes back: q(y|x) from all modalities together, which is the classifier itself, then
q(z|x,y). The bounds, with one sample z ~ q(z|x,y)::

    L(x,y) = E[Σ_m log p(x_m|z,y) + log p(z) − log q(z|x,y)]                         (eq. 4)
    U(x)   = the same with y ~ q(y|x), and + log p(y) − log q(y|x)                   (eq. 5)
    J      = mean over D_L of {L + α log q(y|x)} + mean over D_U of U            (eq. 6, 7)

As in the paper L leaves out the constant log p(y). Whatever has a closed form is not sampled:
KL(q(z|x,y) ‖ p(z)), the entropy of q(y|x).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence
from torch.nn.functional import one_hot

from mm_perception.models.distributions import drawn, entropy, standard_gaussian
from mm_perception.models.label_inference import expected_bounds
from mm_perception.models.missing import zero_fill
from mm_perception.models.networks import TABLES, CategoricalNetwork, GaussianNetwork, Trunk
from mm_perception.models.objective import Objective, stacked, weighed
from mm_perception.models.semi_supervised import SemiSupervised
from mm_perception.models.settings import ModelSettings


class SSMVAE(SemiSupervised):
    """SS-MVAE; a missing modality is filled with zeros.

    Attributes:
        q_y_x: q_φ(y|x), the classifier.
        q_z_xy: q_φ(z|x,y).
        p_x_zy: p_θ(x_m|z,y) by modality.

    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        table, widths, K = TABLES[settings.networks], settings.widths, settings.classes
        x, y, z = self.modalities, {'y': K}, {'z': widths.z}
        self.q_y_x = CategoricalNetwork(Trunk(x, widths.hidden, table.q_y_x), K)
        self.q_z_xy = GaussianNetwork(Trunk(x | y, widths.hidden, table.q_z_xy), widths.z)
        self.p_x_zy = nn.ModuleDict(
            {
                m: table.decoder(Trunk(z | y, widths.hidden, table.p_x_zy), dimension)
                for m, dimension in x.items()
            }
        )

    def objective(
        self, labelled: Mapping[str, Tensor], y: Tensor, unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        """Value −J (eq. 7) on a labelled and an unlabelled batch."""
        return self.bounds(stacked(labelled, y, unlabelled, self.modalities), y)

    def bounds(self, x: Mapping[str, Tensor], y: Tensor) -> Objective:
        """Value −J, the N labelled rows standing before the M unlabelled ones."""
        N, K = len(y), self.settings.classes
        q_y = self.q_y_x(**x)
        label = one_hot(y, K).to(q_y.logits.dtype)
        log_q_y = (q_y.logits[:N] * label).sum(-1)

        L, expected = expected_bounds(self, x, label, q_y.logits[N:])
        U = expected - math.log(K) + entropy(q_y)[N:]
        return weighed(L, U, log_q_y, self.settings.alpha)

    def bound(self, inputs: Mapping[str, Tensor], y: Tensor, noise: Tensor) -> Tensor:
        """L(x,y) (eq. 4) of inputs x: [R]."""
        q_z = self.q_z_xy(**inputs, y=y)
        z = drawn(q_z, noise)
        log_p_x = [self.p_x_zy[m](z=z, y=y).log_prob(inputs[m]) for m in self.modalities]
        return torch.stack(log_p_x).sum(0) - kl_divergence(q_z, standard_gaussian(q_z))

    def probabilities(self, inputs: Mapping[str, Tensor], samples: int = 0) -> Tensor:  # noqa: ARG002 - nothing to sample
        """Classify by any non-empty choice of modalities: q(y|x), zeros for what is missing."""
        return self.q_y_x(**zero_fill(self, inputs)).probs  # type: ignore[no-any-return]  # torch's own

    def reconstruct(
        self, inputs: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        """Draw y ~ q(y|x) and z ~ q(z|x,y); then the mean of p(x_m|z,y)."""
        q_y = self.q_y_x(**inputs)
        y = one_hot(q_y.sample(), self.settings.classes).to(q_y.logits.dtype)
        z = self.q_z_xy(**inputs, y=y).sample()
        return {m: self.p_x_zy[m](z=z, y=y).mean for m in wanted}
