# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""JMVAE, which its authors first called MVAE; of one modality it is VAE, the plain one.

Suzuki & Matsuo, Multimodal learning by deep generative model, 2016, §3; and eq. 1 of Suzuki &
Matsuo, Semi-supervised multimodal learning with deep generative models, IPSJ Journal 59(12), 2018.

The generative story, eq. 4 and 5: one z stands behind all modalities, which know nothing more of
each other::

    z ~ p(z) = N(0, I)    x_m ~ p(x_m|z) for each m

The bound on log p(x), where z ~ q(z|x), one sample (eq. 6 and 7)::

    U(x) = −KL(q(z|x) ‖ p(z)) + E[Σ_m log p(x_m|z)]                                    (eq. 1)
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.distributions import kl_divergence

from mm_perception.models.autoencoder import Autoencoder
from mm_perception.models.autoencoder_settings import AutoencoderSettings
from mm_perception.models.distributions import Gaussian, standard_gaussian
from mm_perception.models.objective import Objective


class JMVAE(Autoencoder):
    """JMVAE, MVAE and VAE; a missing modality is filled with zeros.

    Attributes:
        q_z: q_φ(z|x), the joint encoder.

    """

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__(settings)
        self.q_z = self.gaussian(self.trunk(self.modalities), settings.z)

    def objective(self, inputs: Mapping[str, Tensor]) -> Objective:
        """Value −U on a batch of all modalities; terms ``U`` and ``KL``."""
        self.check_all(inputs)
        return self.bound(inputs, self.q_z(**inputs))

    def bound(self, x: Mapping[str, Tensor], q_z: Gaussian) -> Objective:
        """Value −U, with the joint encoder's answer at hand (eq. 1)."""
        KL = kl_divergence(q_z, standard_gaussian(q_z))
        U = (self.log_p_x(x, q_z.rsample()) - KL).mean()
        return Objective(-U, {'U': U.detach(), 'KL': KL.mean().detach()})

    def posterior(self, inputs: Mapping[str, Tensor]) -> Gaussian:
        """q(z|·) of any modalities: what is missing is filled with zeros (§4.2 of 2016)."""
        return self.q_z(**self.zero_filled(inputs))  # type: ignore[no-any-return]  # torch's own

    def represent(self, inputs: Mapping[str, Tensor], *, sampled: bool = False) -> Tensor:
        """Give z, [B, Z], of any modalities: the mean of q(z|·), or a sample of it."""
        q_z = self.posterior(inputs)
        return q_z.rsample() if sampled else q_z.mean
