# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Logistic regression: how well a representation tells labels apart by a plane each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


@dataclass(frozen=True)
class LogisticRegression:
    """One for each label.

    Attributes:
        weight: [L, D].
        bias: [L].

    """

    weight: Tensor
    bias: Tensor

    def logits(self, z: Tensor) -> Tensor:
        """Score [N, D] for every label, [N, L]; the higher the likelier."""
        return nn.functional.linear(z, self.weight, self.bias)


def fit_logistic_regression(
    z: Tensor, y: Tensor, *, C: float = 1.0, iterations: int = 200
) -> LogisticRegression:
    """Minimise Σ_l {½ ‖w_l‖² + ½ b_l² + C Σ_n cross-entropy(y_nl, w_l·z_n + b_l)}, by L-BFGS.

    It is what liblinear, behind scikit-learn's logistic regression of 2016, minimises by default.
    The bias is held, too: the minimum is then unique and finite, even for a label that no item has.

    Args:
        z: [N, D] of the items to learn from.
        y: [N, L] their labels, 0 or 1.
        C: How much the items weigh against the norm.
        iterations: The most that are taken; it stops earlier where the gradient vanishes.

    Returns:
        The minimum, on z's device.

    """
    count = len(z)
    plane = nn.Linear(z.shape[1], y.shape[1], device=z.device, dtype=z.dtype)
    nn.init.zeros_(plane.weight)
    nn.init.zeros_(plane.bias)
    optimizer = torch.optim.LBFGS(
        plane.parameters(),
        max_iter=iterations,
        tolerance_grad=1e-7,
        tolerance_change=1e-14,
        line_search_fn='strong_wolfe',
    )

    def value() -> Tensor:
        """The objective over N C, so that tolerances mean the same for any N."""
        optimizer.zero_grad()
        error = binary_cross_entropy_with_logits(plane(z), y.to(z.dtype), reduction='sum')
        norm = 0.5 * (plane.weight.square().sum() + plane.bias.square().sum())
        total = (norm / C + error) / count
        total.backward()  # type: ignore[no-untyped-call]  # torch's own
        return total

    optimizer.step(value)  # type: ignore[no-untyped-call]  # torch's own
    return LogisticRegression(plane.weight.detach(), plane.bias.detach())
