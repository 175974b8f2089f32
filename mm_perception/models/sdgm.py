# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SDGM: the skip deep generative model of one modality, or of several taken for one.

Maaløe, Sønderby, Sønderby & Winther, Auxiliary deep generative models, ICML 2016, §2.4. Several
modalities are concatenated in the order of their names, and are then one variable x.

The generative story. A class y and a style z, which knows nothing of the class, make an auxiliary
variable a, and all three together make x::

    y ~ p(y) = Cat(1/K)    z ~ p(z) = N(0, I)    a ~ p(a|z,y)    x ~ p(x|a,z,y)

Inference goes back: q(a|x), then q(y|a,x), then q(z|a,x,y): a is there to make what q says of y and
z given x alone richer than one Gaussian. The bounds, where a ~ q(a|x) and z ~ q(z|a,x,y)::

    L(x,y) = E[log p(x|a,z,y) + log p(a|z,y) + log p(z) + log p(y)
               − log q(a|x) − log q(z|a,x,y)]
    U(x)   = the same with y ~ q(y|a,x), and − log q(y|a,x)
    J      = mean over D_L of {L + α log q(y|a,x)} + mean over D_U of U

The classifier is q(y|x) = E_{q(a|x)}[q(y|a,x)]. Whatever has a closed form is not sampled:
KL(q(z|a,x,y) ‖ p(z)), the entropies of q(a|x) and q(y|a,x).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor
from torch.distributions import kl_divergence
from torch.nn.functional import one_hot

from mm_perception.models.distributions import drawn, entropy, standard_gaussian
from mm_perception.models.label_inference import expected_bounds
from mm_perception.models.missing import zero_fill
from mm_perception.models.networks import TABLES, CategoricalNetwork, GaussianNetwork, Trunk
from mm_perception.models.objective import Objective, stacked, weighed
from mm_perception.models.semi_supervised import SemiSupervised
from mm_perception.models.settings import ModelSettings


class SDGM(SemiSupervised):
    """SDGM; a missing modality is filled with zeros.

    Attributes:
        q_a_x: q_φ(a|x).
        q_y_ax: q_φ(y|a,x), the classifier.
        q_z_axy: q_φ(z|a,x,y).
        p_a_zy: p_θ(a|z,y).
        p_x_azy: p_θ(x|a,z,y).

    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        table, widths, K = TABLES[settings.networks], settings.widths, settings.classes
        D, H = sum(self.modalities.values()), widths.hidden
        x, a, z, y = {'x': D}, {'a': widths.a}, {'z': widths.z}, {'y': K}
        self.q_a_x = GaussianNetwork(Trunk(x, H, table.q_a_single), widths.a)
        self.q_y_ax = CategoricalNetwork(Trunk(a | x, H, table.q_y_ax), K)
        self.q_z_axy = GaussianNetwork(Trunk(a | x | y, H, table.q_z_axy), widths.z)
        self.p_a_zy = GaussianNetwork(Trunk(z | y, H, table.p_a_zy), widths.a)
        self.p_x_azy = table.decoder(Trunk(a | z | y, H, table.p_x_azy), D)

    def objective(
        self, labelled: Mapping[str, Tensor], y: Tensor, unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        """Value −J on a labelled and an unlabelled batch."""
        x = self.joined(stacked(labelled, y, unlabelled, self.modalities))
        N = len(y)
        q_a = self.q_a_x(x=x)
        a = q_a.rsample()
        q_y = self.q_y_ax(a=a, x=x)
        label = one_hot(y, self.settings.classes).to(a.dtype)
        log_q_y = (q_y.logits[:N] * label).sum(-1)

        known, expected = expected_bounds(self, {'a': a, 'x': x}, label, q_y.logits[N:])
        L = known + entropy(q_a)[:N]
        U = expected + entropy(q_a)[N:] + entropy(q_y)[N:]
        return weighed(L, U, log_q_y, self.settings.alpha)

    def bound(self, inputs: Mapping[str, Tensor], y: Tensor, noise: Tensor) -> Tensor:
        """L(x,y) but for the entropy of q(a|x), of inputs a and x: [R]."""
        q_z = self.q_z_axy(**inputs, y=y)
        z = drawn(q_z, noise)
        log_p_x = self.p_x_azy(a=inputs['a'], z=z, y=y).log_prob(inputs['x'])
        log_p_a = self.p_a_zy(z=z, y=y).log_prob(inputs['a'])
        kl = kl_divergence(q_z, standard_gaussian(q_z))
        return log_p_x + log_p_a - kl - math.log(self.settings.classes)  # type: ignore[no-any-return]  # torch's own

    def joined(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Concatenate all modalities, [B, D_m] each, to x."""
        return torch.cat([inputs[m] for m in self.modalities], -1)

    def probabilities(self, inputs: Mapping[str, Tensor], samples: int = 0) -> Tensor:
        """Classify by any non-empty choice of modalities, zeros for what is missing."""
        x = self.joined(zero_fill(self, inputs))
        q_a = self.q_a_x(x=x)
        a = q_a.sample((samples,)) if samples else q_a.mean[None]
        q_y = self.q_y_ax(a=a.flatten(0, 1), x=x.repeat(a.shape[0], 1))
        return q_y.probs.view(*a.shape[:2], -1).mean(0)  # type: ignore[no-any-return]  # torch's own

    def reconstruct(
        self, inputs: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        """Draw a ~ q(a|x), y ~ q(y|a,x), z ~ q(z|a,x,y); then the mean of p(x|a,z,y)."""
        x = self.joined(inputs)
        a = self.q_a_x(x=x).sample()
        q_y = self.q_y_ax(a=a, x=x)
        y = one_hot(q_y.sample(), self.settings.classes).to(a.dtype)
        z = self.q_z_axy(a=a, x=x, y=y).sample()
        parts = self.p_x_azy(a=a, z=z, y=y).mean.split(list(self.modalities.values()), -1)
        return {m: part for m, part in zip(self.modalities, parts, strict=True) if m in wanted}
