# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The distributions that the models are written in, where torch.distributions lacks them.

Everything is built with ``validate_args=False``: validation reads values back from the device, and
the step must never wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal

Gaussian: TypeAlias = 'Independent[Normal]'
"""A diagonal Gaussian, the last axis being one event."""

VARIANCE_FLOOR = 1e-6
"""Added to every softplus variance (eq. 2), so that its logarithm and its inverse stay finite."""


def gaussian(mean: Tensor, variance: Tensor) -> Gaussian:
    """N(mean, diag(variance)).

    Args:
        mean: [..., D].
        variance: [..., D], positive.

    """
    return Independent(Normal(mean, variance.sqrt(), validate_args=False), 1, validate_args=False)


def standard_gaussian(like: Gaussian) -> Gaussian:
    """N(0, I) in the shape of another: the prior p(z)."""
    return gaussian(torch.zeros_like(like.mean), torch.ones_like(like.mean))


def drawn(q: Gaussian, noise: Tensor) -> Tensor:
    """Reparameterise: the sample μ + σ ⊙ ε for noise ε ~ N(0, I)."""
    return q.base_dist.loc + noise * q.base_dist.scale


def without_gradient(q: Gaussian) -> Gaussian:
    """Give the same distribution, through which nothing learns."""
    return gaussian(q.mean.detach(), q.variance.detach())


def bernoulli(logits: Tensor) -> Independent[Bernoulli]:
    """Bern(sigmoid(logits)) for each unit of the last axis (eq. 3).

    Targets between 0 and 1 are allowed: the log-likelihood is then the negative cross-entropy, as
    is usual for grey levels.
    """
    return Independent(Bernoulli(logits=logits, validate_args=False), 1, validate_args=False)


def categorical(logits: Tensor) -> Categorical:
    """Cat(softmax(logits)) of the last axis."""
    return Categorical(logits=logits, validate_args=False)


def entropy(distribution: Distribution) -> Tensor:
    """−E[log q], in nats."""
    return distribution.entropy()


@dataclass(frozen=True, eq=False)
class SquaredError:
    """'MSE over ≥ 0' (appendix A.1.2): the negative squared error in a log-likelihood's place.

    It is summed over the dimensions: but for a constant it is then the log-likelihood of
    N(mean, I/2), and keeps its scale against the KL terms, which are sums over dimensions too. A
    mean over 4,096 dimensions would leave the KL terms alone in the objective. The scale of the
    targets decides how much the reconstruction weighs; features are scaled outside the model.

    Attributes:
        mean: [..., D], the reconstruction.

    """

    mean: Tensor

    def log_prob(self, value: Tensor) -> Tensor:
        """−‖mean − value‖², without the last axis."""
        return -(self.mean - value).square().sum(-1)


def nearest(experts: Sequence[Gaussian]) -> Gaussian:
    """Find the Gaussian q that makes Σ_m KL(q ‖ expert_m) least.

    This is eq. 12 read the other way round: there the single encoders come near the joint
    posterior; here the posterior is asked for that they come nearest to. The answer is their
    geometric mean: its precision is the mean of their precisions, its mean is their mean weighted
    by precision. A product of experts has the same mean, but counts the prior once an expert, and
    is the surer of itself the more experts there are. One expert is its own answer.

    Args:
        experts: At least one diagonal Gaussian, all of the same shape.

    """
    precisions = torch.stack([expert.variance.reciprocal() for expert in experts])
    means = torch.stack([expert.mean for expert in experts])
    total = precisions.sum(0)
    return gaussian((precisions * means).sum(0) / total, len(experts) / total)
