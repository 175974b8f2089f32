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

What eq. 12 asks of a, ``gamma`` asks of the class as well, which is not in the paper. With t the
label of a labelled item, and of another what q(y|x) says of it while it is undisturbed::

    J_y = Σ_{D_L, D_U} E[1{max_k t_k ≥ threshold} Σ_k t_k (log q(y=k|x) + Σ_m log q(y=k|x_m))]
    J   = J_kl + γ J_y

No gradient reaches t. Learning from one's own confident answer about an undisturbed item while
seeing a disturbed one is Sohn et al., FixMatch, NeurIPS 2020, eq. 4, with probabilities for t.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence
from torch.nn.functional import one_hot

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
        self,
        labelled: Mapping[str, Tensor],
        y: Tensor,
        unlabelled: Mapping[str, Tensor],
        guess: Tensor | None = None,
    ) -> Objective:
        """Value −J_kl (eq. 13), and the agreement where there is a guess.

        Args:
            labelled: [N, D_m] by modality; an empty mapping is N = 0.
            y: [N] long, the labelled items' classes.
            unlabelled: [M, D_m] by modality; an empty mapping is M = 0.
            guess: [M, K], what ``guess`` says of the unlabelled items; None leaves J_y out.

        Returns:
            The loss, and the terms ``L``, ``U``, ``log_q_y``, ``J_div``; with a guess also ``J_y``
            and ``sure``, the share of the unlabelled items that count in it.

        Raises:
            ValueError: See ``stacked``.

        """
        x = stacked(labelled, y, unlabelled, self.modalities)
        q_a = self.q_a(**x)
        loss, terms = self.bounds(x, q_a, y)
        target = without_gradient(q_a) if self.settings.stop_gradient else q_a
        singles = [self.q_a_single[m](**{m: x[m]}) for m in self.modalities]
        J_div = mean(torch.stack([kl_divergence(target, q) for q in singles]).sum(0))
        loss, terms = loss + self.settings.beta * J_div, terms | {'J_div': J_div.detach()}
        if guess is None:
            return Objective(loss, terms)
        J_y, sure = self.agreement([q_a, *singles], y, guess)
        terms |= {'J_y': J_y.detach(), 'sure': mean(sure).detach()}
        return Objective(loss - self.settings.gamma * J_y, terms)

    def agreement(
        self, posteriors: Sequence[Gaussian], y: Tensor, guess: Tensor
    ) -> tuple[Tensor, Tensor]:
        """J_y of the classifiers by these posteriors of a, one sample each; and who counts, [M]."""
        N = len(y)
        sure = (guess.amax(-1) >= self.settings.threshold).to(guess.dtype)
        label = one_hot(y, self.settings.classes).to(guess.dtype)
        log_q_y = torch.stack([self.q_y_a(a=q_a.rsample()).logits for q_a in posteriors]).sum(0)
        labelled = (label * log_q_y[:N]).sum(-1)
        unlabelled = sure * (guess * log_q_y[N:]).sum(-1)
        return mean(labelled) + mean(unlabelled), sure

    @torch.no_grad()
    def guess(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Say what all modalities together make of items: q(y|x) in ``eval`` mode, [M, K]."""
        training = self.training
        probabilities = self.eval().probabilities(inputs)
        self.train(training)
        return probabilities

    def posterior(self, inputs: Mapping[str, Tensor]) -> Gaussian:
        """q(a|·) of any modalities: the joint encoder's of all, q_λ(a|x_m) of one.

        Of several but not all, which the paper's two modalities do not know, it is the Gaussian
        that makes J_div over those present least (see ``nearest``).
        """
        if set(inputs) == set(self.modalities):
            return super().posterior(inputs)
        return nearest([self.q_a_single[m](**{m: x_m}) for m, x_m in inputs.items()])
