# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""MAE, the multimodal autoencoder; of one modality it is AE, the plain one.

Ngiam et al., Multimodal deep learning, ICML 2011, in the shape that Suzuki & Matsuo, Multimodal
learning by deep generative model, 2016 (§4.2), compare their MVAE with: the same networks, data and
optimiser, without a distribution over z and so without its KL::

    z = Linear(MLP_x(x), MLP_w(w), …)
    J = mean of Σ_m log p(x_m|z)

A likelihood stands for the reconstruction's error, as in the MVAE. The paper does not say so; the
authors' own code, in the library Tars, does the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from mm_perception.models.autoencoder import Autoencoder
from mm_perception.models.autoencoder_settings import AutoencoderSettings
from mm_perception.models.networks import Linear
from mm_perception.models.objective import Objective


class MAE(Autoencoder):
    """MAE and AE; a missing modality is filled with zeros.

    Attributes:
        hidden: The encoder's trunk.
        z: Its head.

    """

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__(settings)
        self.hidden = self.trunk(self.modalities)
        self.z = Linear(self.hidden.width, settings.z)

    def objective(self, inputs: Mapping[str, Tensor]) -> Objective:
        """Value −J on a batch of all modalities; the term is ``log_p_x``."""
        self.check_all(inputs)
        J = self.log_p_x(inputs, self.represent(inputs)).mean()
        return Objective(-J, {'log_p_x': J.detach()})

    def represent(self, inputs: Mapping[str, Tensor], *, sampled: bool = False) -> Tensor:
        """Give z, [B, Z], of any modalities: a point, of which a sample is the same."""
        del sampled
        z: Tensor = self.z(self.hidden(**self.zero_filled(inputs)))
        return z
