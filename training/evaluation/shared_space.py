# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where frames lie in the shared representation a, seen with both eyes and with each alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.head import Head
from mm_perception.models import SSHMVAEKL
from mm_perception.trust import modes_of
from training.evaluation.trust import posterior_means


@dataclass(frozen=True, eq=False)
class SharedSpace:
    """The means of q(a|·), projected onto the plane in which all of them vary most.

    Attributes:
        points: [N, 2] by mode: of q(a|x,w), q(a|x) and q(a|w).
        explained: The share of the variance along each of the two axes.

    """

    points: Mapping[str, NDArray[np.float64]]
    explained: tuple[float, float]

    @property
    def frames(self) -> int:
        """How many frames they are of."""
        return len(next(iter(self.points.values())))


def shared_space(
    head: Head, features: Mapping[str, Tensor], device: torch.device
) -> SharedSpace | None:
    """Project what a model makes of frames.

    Args:
        head: The trained model.
        features: [N, D] by modality.
        device: Where to compute.

    Returns:
        The projection by principal component analysis of all modes' means together; None of a
        model that is no SS-HMVAE-kl, or has fewer than two dimensions or modalities.

    """
    model = head.model
    if not isinstance(model, SSHMVAEKL) or len(features) < 2 or model.settings.widths.a < 2:  # noqa: PLR2004 - a plane, and a pair
        return None
    head.to(device).eval()
    means = {
        mode: posterior_means(head, {name: features[name] for name in names}, device)[0]
        for mode, names in modes_of(features).items()
    }
    head.cpu()
    points, explained = principal_plane(torch.cat(list(means.values())).double().cpu().numpy())
    rows = np.split(points, len(means))
    return SharedSpace(dict(zip(means, rows, strict=True)), explained)


def principal_plane(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Project [N, A] onto the two directions of greatest variance; give each one's share of it."""
    centred = values - values.mean(axis=0)
    variances, directions = np.linalg.eigh(centred.T @ centred)
    plane = directions[:, [-1, -2]]
    # An eigenvector has no sign of its own: the same model shall give the same picture.
    plane = plane * np.sign(plane[np.abs(plane).argmax(axis=0), [0, 1]])
    shares = variances[[-1, -2]] / max(variances.sum(), np.finfo(float).tiny)
    return centred @ plane, (float(shares[0]), float(shares[1]))
