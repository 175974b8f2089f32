# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""SS-HMVAE: a representation shared by the modalities, under a semi-supervised model of it.

Suzuki & Matsuo, Semi-supervised multimodal learning with deep generative models, IPSJ Journal
59(12), 2018, §3.4. Its x and w are here a mapping of any number of modalities x_m.

The generative story. A class y and a style z, which knows nothing of the class, together make the
representation a of one object; from a alone each modality is made::

    y ~ p(y) = Cat(1/K)    z ~ p(z) = N(0, I)    a ~ p(a|z,y)    x_m ~ p(x_m|a) for each m

Inference goes back: q(a|x) from all modalities together, then q(y|a), then q(z|a,y).
The bounds, where a ~ q(a|x) and z ~ q(z|a,y), one sample of each::

    L(x,y) = E[Σ_m log p(x_m|a) + log p(a|z,y) + log p(z) + log p(y)
               − log q(a|x) − log q(z|a,y)]                                           (eq. 8)
    U(x)   = the same with y ~ q(y|a), and − log q(y|a)                               (eq. 9)

Eq. 10 sorts the terms: an M2 bound on a, the reconstructions, and the entropy of q(a|x). The
classifier q(y|x) = E_{q(a|x)}[q(y|a)] is trained on the labelled items too (as in eq. 6)::

    J = mean over D_L of {L + α log q(y|x)} + mean over D_U of U                      (eq. 7)

Whatever has a closed form is not sampled: KL(q(z|a,y) ‖ p(z)), the entropies of q(a|x) and q(y|a).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence
from torch.nn.functional import one_hot

from mm_perception.models.distributions import (
    Gaussian,
    drawn,
    entropy,
    standard_gaussian,
)
from mm_perception.models.label_inference import expected_bounds
from mm_perception.models.missing import zero_fill
from mm_perception.models.networks import TABLES, CategoricalNetwork, GaussianNetwork, Trunk
from mm_perception.models.objective import Objective, stacked, weighed
from mm_perception.models.semi_supervised import SemiSupervised
from mm_perception.models.settings import ModelSettings


class SSHMVAE(SemiSupervised):
    """SS-HMVAE; a missing modality is filled with zeros, the paper's baseline.

    Attributes:
        q_a: q_φ(a|x), the joint encoder.
        p_x_a: p_θ(x_m|a) by modality.
        q_y_a: q_φ(y|a), the classifier.
        p_a_zy: p_θ(a|z,y).
        q_z_ay: q_φ(z|a,y).

    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        table, widths, K = TABLES[settings.networks], settings.widths, settings.classes
        A, Z = {'a': widths.a}, {'z': widths.z}
        y = {'y': K}
        self.q_a = GaussianNetwork(Trunk(self.modalities, widths.hidden, table.q_a), widths.a)
        self.p_x_a = nn.ModuleDict(
            {
                m: table.decoder(Trunk(A, widths.hidden, table.p_x_a), dimension)
                for m, dimension in self.modalities.items()
            }
        )
        self.q_y_a = CategoricalNetwork(Trunk(A, widths.hidden, table.q_y_a), K)
        self.p_a_zy = GaussianNetwork(Trunk(Z | y, widths.hidden, table.p_a_zy), widths.a)
        self.q_z_ay = GaussianNetwork(Trunk(A | y, widths.hidden, table.q_z_ay), widths.z)

    def objective(
        self, labelled: Mapping[str, Tensor], y: Tensor, unlabelled: Mapping[str, Tensor]
    ) -> Objective:
        """Value −J (eq. 7) on a labelled and an unlabelled batch."""
        x = stacked(labelled, y, unlabelled, self.modalities)
        return self.bounds(x, self.q_a(**x), y)

    def bounds(self, x: Mapping[str, Tensor], q_a: Gaussian, y: Tensor) -> Objective:
        """Value −J, the N labelled rows standing before the M unlabelled ones (eq. 7–10)."""
        N = len(y)
        a = q_a.rsample()
        q_y = self.q_y_a(a=a)
        label = one_hot(y, self.settings.classes).to(a.dtype)
        log_q_y = (q_y.logits[:N] * label).sum(-1)

        log_p_x = torch.stack([self.p_x_a[m](a=a).log_prob(x[m]) for m in self.modalities])
        jmvae = log_p_x.sum(0) + entropy(q_a)  # second to fourth term of eq. 10
        m2_labelled, m2_unlabelled = expected_bounds(self, {'a': a}, label, q_y.logits[N:])

        L = jmvae[:N] + m2_labelled
        U = jmvae[N:] + m2_unlabelled + entropy(q_y)[N:]
        return weighed(L, U, log_q_y, self.settings.alpha)

    def bound(self, inputs: Mapping[str, Tensor], y: Tensor, noise: Tensor) -> Tensor:
        """First term of eq. 10: M2's bound on log p(a,y), of inputs a.

        Returns:
            E_{q(z|a,y)}[log p(a|z,y) + log p(z) + log p(y) − log q(z|a,y)], [R].

        """
        q_z = self.q_z_ay(**inputs, y=y)
        log_p_a = self.p_a_zy(z=drawn(q_z, noise), y=y).log_prob(inputs['a'])
        kl = kl_divergence(q_z, standard_gaussian(q_z))
        return log_p_a - kl - math.log(self.settings.classes)  # type: ignore[no-any-return]  # torch's own

    def posterior(self, inputs: Mapping[str, Tensor]) -> Gaussian:
        """q(a|·) of any modalities: what is missing is filled with zeros (§3.5)."""
        return self.q_a(**zero_fill(self, inputs))  # type: ignore[no-any-return]  # torch's own

    def probabilities(self, inputs: Mapping[str, Tensor], samples: int = 0) -> Tensor:
        """Classify by any non-empty choice of modalities: q(y|·) = E_{q(a|·)}[q(y|a)] (§3.4)."""
        self.check(inputs)
        return self.classify(self.posterior(inputs), samples)

    def classify(self, q_a: Gaussian, samples: int = 0) -> Tensor:
        """E_{q(a)}[q(y|a)], [B, K]; at the mean of q(a) when samples is 0."""
        if not samples:
            return self.q_y_a(a=q_a.mean).probs  # type: ignore[no-any-return]  # torch's own
        a = q_a.sample((samples,))
        q_y = self.q_y_a(a=a.flatten(0, 1))
        return q_y.probs.view(*a.shape[:2], -1).mean(0)  # type: ignore[no-any-return]  # torch's own

    def reconstruct(
        self, inputs: Mapping[str, Tensor], wanted: Collection[str]
    ) -> dict[str, Tensor]:
        """Draw a ~ q(a|x); then the mean of p(x_m|a)."""
        a = self.q_a(**inputs).sample()
        return {m: self.p_x_a[m](a=a).mean for m in wanted}
