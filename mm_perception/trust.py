# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a label deserves trust: is the object like anything learned, and do the eyes agree?

Both are asked of a, through which everything that SS-HMVAE-kl says of an item has to pass.

*Novelty* is how far the mean of q(a|·) lies from the nearest class, in standard deviations of what
was learned: the Mahalanobis distance with one covariance for all classes (Lee et al., A simple
unified framework for detecting out-of-distribution samples, NeurIPS 2018, eq. 2), of each mode by
itself::

    D(a) = min_k sqrt((a − μ_k)ᵀ Σ⁻¹ (a − μ_k))

*Contradiction* is how far the two eyes' posteriors lie apart, as J_div (eq. 12 of the paper) draws
them together on pairs that show the same thing: the Jeffreys divergence::

    ½ KL(q_λ(a|x) ‖ q_λ(a|w)) + ½ KL(q_λ(a|w) ‖ q_λ(a|x))

What is usual of either is learned from held-out frames, and lies in the bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat
from torch import Tensor, nn
from torch.distributions import kl_divergence

from mm_perception.models import SSHMVAEKL, ModelSettings
from mm_perception.models.distributions import Gaussian
from mm_perception.observation import Modality, mode_of


class TrustSettings(BaseModel):
    """What is usual, from frames that were held out of training."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    false_rejection: float = Field(
        gt=0, lt=1, description='The share of known objects that is called unknown.'
    )
    novelty: dict[str, PositiveFloat] = Field(
        description='By mode, the distance over which an object is unknown.'
    )
    false_alarm: float = Field(
        gt=0, lt=1, description='The share of good pairs that is called contradictory.'
    )
    contradiction: PositiveFloat | None = Field(
        None, description='The divergence over which the eyes disagree; none with one eye.'
    )


def modes_of(modalities: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Name the modes that a model of these modalities answers in: all of them, and each alone."""
    names = tuple(sorted(modalities, reverse=True))  # as everywhere: rgbd, rgb, depth
    choices = dict.fromkeys([names, *((name,) for name in names)])
    return {mode_of(map(Modality, choice)): choice for choice in choices}


class Trust(nn.Module):
    """What the classes look like in a, by mode."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        K, A = settings.classes, settings.widths.a
        for mode in modes_of(settings.modalities):
            self.register_buffer(f'whitening_{mode}', torch.eye(A))
            self.register_buffer(f'centre_{mode}', torch.zeros(K, A))  # whitened means

    def fit(self, mode: str, a: Tensor, y: Tensor) -> None:
        """Learn what the classes look like.

        Args:
            mode: The mode that a comes from.
            a: [N, A] means of q(a|·), of training frames.
            y: [N] long, their classes; every class has to be there.

        """
        centre = self.get_buffer(f'centre_{mode}')
        mean = torch.stack([a[y == k].mean(0) for k in range(len(centre))])
        factor = torch.linalg.cholesky(shrunk_covariance(a - mean[y]).double())
        eye = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
        whitening = torch.linalg.solve_triangular(factor, eye, upper=False)
        self.get_buffer(f'whitening_{mode}').copy_(whitening)
        centre.copy_(mean.double() @ whitening.T)

    def novelty(self, mode: str, a: Tensor) -> Tensor:
        """D(a), [N], of a, [N, A]."""
        whitened = a @ self.get_buffer(f'whitening_{mode}').T
        return torch.cdist(whitened, self.get_buffer(f'centre_{mode}')).amin(-1)


def contradiction(model: SSHMVAEKL, inputs: Mapping[str, Tensor]) -> Tensor | None:
    """Give the greatest Jeffreys divergence of two modalities' q_λ(a|·), [N]; None of one."""
    singles = [model.posterior({name: values}) for name, values in inputs.items()]
    apart = [jeffreys(one, other) for one, other in combinations(singles, 2)]
    return torch.stack(apart).amax(0) if apart else None


def jeffreys(one: Gaussian, other: Gaussian) -> Tensor:
    """½ KL(one ‖ other) + ½ KL(other ‖ one), in nats."""
    return torch.stack([kl_divergence(one, other), kl_divergence(other, one)]).mean(0)


def shrunk_covariance(residuals: Tensor) -> Tensor:
    """Estimate a covariance from fewer items than it has dimensions, too.

    The sample covariance S drawn towards tr(S)/p I by the weight ρ that is best for Gaussian data
    (Chen, Wiesel, Eldar & Hero, Shrinkage algorithms for MMSE covariance estimation, IEEE
    Transactions on Signal Processing 58(10), 2010, eq. 23: OAS).

    Args:
        residuals: [N, p], of mean zero.

    Returns:
        [p, p], positive definite.

    """
    n, p = residuals.shape
    S = residuals.T @ residuals / n
    trace, square = S.trace(), S.square().sum()  # tr(S), tr(S²)
    rho = ((1 - 2 / p) * square + trace**2) / ((n + 1 - 2 / p) * (square - trace**2 / p))
    rho = rho.nan_to_num(1.0).clamp(0.0, 1.0)
    eye = torch.eye(p, dtype=S.dtype, device=S.device)
    floor = torch.finfo(S.dtype).tiny ** 0.5  # residuals that are all zero have no scale
    covariance: Tensor = (1 - rho) * S + (rho * trace / p + floor) * eye
    return covariance
