# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How well a model does in each mode, on recordings that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.head import Head
from mm_perception.models import SSHMVAEKL, zero_fill
from mm_perception.observation import Modality, mode_of

ZERO_FILL = 'zero fill'
_ECE_BINS = 15
_CHUNK = 1024


@dataclass(frozen=True)
class Scores:
    """A model's answers in one mode.

    Attributes:
        truth: [N] the true class.
        probabilities: [N, K].

    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """[N] the most probable class."""
        best: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return best

    @property
    def accuracy(self) -> float:
        """The share of frames with the right label."""
        return float((self.predicted == self.truth).mean())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """[K, K] frames by true class (rows) and predicted class (columns)."""
        classes = self.probabilities.shape[1]
        table = np.zeros((classes, classes), np.int64)
        np.add.at(table, (self.truth, self.predicted), 1)
        return table

    @property
    def lost(self) -> list[int]:
        """The classes none of whose frames gets the right label, of those that frames show."""
        table = self.confusion
        lost = (table.sum(axis=1) > 0) & (table.diagonal() == 0)
        return [int(number) for number in np.flatnonzero(lost)]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error, 15 equal bins (Guo et al. 2017, eq. 3)."""
        confidence = self.probabilities.max(axis=1)
        right = self.predicted == self.truth
        bins = np.minimum((confidence * _ECE_BINS).astype(int), _ECE_BINS - 1)
        error = 0.0
        for index in np.unique(bins):
            inside = bins == index
            error += abs(right[inside].mean() - confidence[inside].mean()) * inside.mean()
        return float(error)


def evaluate(
    head: Head, features: dict[str, Tensor], truth: Tensor, device: torch.device
) -> dict[str, Scores]:
    """Score every mode, and what each single modality would score with zero fill.

    Args:
        head: The trained model.
        features: [N, D] by modality, of labelled frames.
        truth: [N] their classes.
        device: Where to compute.

    Returns:
        By mode: ``rgbd``, ``rgb``, ``depth``; and ``rgb, zero fill``, ``depth, zero fill``, where
        the missing modality is filled with zeros in place of q(a|x) or q(a|w) (§3.5).

    """
    head.to(device).eval()
    names = sorted(features)
    choices = [tuple(names), *((name,) for name in names)] if len(names) > 1 else [tuple(names)]
    scores = {}
    for choice in choices:
        chosen = {name: features[name] for name in choice}
        mode = mode_of(Modality(name) for name in choice)
        scores[mode] = _score(head, chosen, truth, device)
        if len(choice) < len(names) and isinstance(head.model, SSHMVAEKL):
            filled = _score(head, chosen, truth, device, filled=True)
            scores[f'{mode}, {ZERO_FILL}'] = filled
    head.cpu()
    return {mode: scores[mode] for mode in sorted(scores, key=_order)}


def _score(
    head: Head,
    features: dict[str, Tensor],
    truth: Tensor,
    device: torch.device,
    *,
    filled: bool = False,
) -> Scores:
    parts = []
    with torch.inference_mode():
        for start in range(0, len(truth), _CHUNK):
            part = {n: v[start : start + _CHUNK].to(device) for n, v in features.items()}
            scaled = head.scaling(part)
            given = zero_fill(head.model, scaled) if filled else scaled
            parts.append(head.model.probabilities(given).cpu())
    return Scores(truth.numpy(), torch.cat(parts).double().numpy())


def _order(mode: str) -> tuple[bool, int]:
    plain = mode.removesuffix(f', {ZERO_FILL}')
    return plain != mode, ('rgbd', 'rgb', 'depth').index(plain)
