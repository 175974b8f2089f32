# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a trained model makes of frames: where it sees them, and what it takes them for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mm_perception.head import Head
from mm_perception.models.ss_hmvae import SSHMVAE
from mm_perception.observation import Modality, mode_of
from training.labelling.choosing import uncertainty
from training.labelling.grouping import Stretch, means

_CHUNK = 1024

Probabilities = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outlook:
    """A model's view of N frames.

    Attributes:
        a: [N, A], the mean of q(a|x,w); None of a model that has no a.
        probabilities: [N, K] by mode, that of all modalities first: p(y|x,w), p(y|x), p(y|w).

    """

    a: NDArray[np.float32] | None
    probabilities: Mapping[str, Probabilities]

    @property
    def together(self) -> Probabilities:
        """[N, K], what all modalities together say."""
        return next(iter(self.probabilities.values()))


@dataclass(frozen=True)
class Opinion:
    """What a model says of a stretch.

    Attributes:
        said: By mode, that of all modalities first, the class and how probable it is.
        doubt: How little it knows of a frame, on average.

    """

    said: Mapping[str, tuple[str, float]]
    doubt: float

    @property
    def guess(self) -> tuple[str, float]:
        """What all modalities together say."""
        return next(iter(self.said.values()))

    @property
    def disagree(self) -> bool:
        """Whether each modality alone thinks another class more likely than not."""
        likely = {name for name, p in list(self.said.values())[1:] if p > 0.5}  # noqa: PLR2004
        return len(likely) > 1


def opinions(outlook: Outlook, found: Sequence[Stretch], classes: Sequence[str]) -> list[Opinion]:
    """Sum up what a model says of each stretch: the mean over its frames."""
    doubts = means(found, uncertainty(outlook.probabilities)[:, None])[:, 0]
    modes = {mode: means(found, p_y) for mode, p_y in outlook.probabilities.items()}
    return [
        Opinion(
            {mode: (classes[int(p[i].argmax())], float(p[i].max())) for mode, p in modes.items()},
            float(doubt),
        )
        for i, doubt in enumerate(doubts)
    ]


def look(head: Head, features: Mapping[str, NDArray[np.float32]], device: torch.device) -> Outlook:
    """Show frames to a model.

    Args:
        head: A trained model.
        features: [N, D] by modality.
        device: Where to compute.

    """
    head.to(device).eval()
    names = sorted(features)
    choices = [names, *([name] for name in names)] if len(names) > 1 else [names]
    frames = len(features[names[0]])
    a: list[NDArray[np.float32]] = []
    said: dict[str, list[Probabilities]] = {}
    with torch.inference_mode():
        for start in range(0, frames, _CHUNK):
            part = {n: v[start : start + _CHUNK] for n, v in features.items()}
            x = head.scaling({n: torch.from_numpy(v).to(device) for n, v in part.items()})
            if isinstance(head.model, SSHMVAE):
                a.append(head.model.posterior(x).mean.cpu().numpy())
            for choice in choices:
                p_y = head.model.probabilities({name: x[name] for name in choice})
                mode = mode_of(map(Modality, choice))
                said.setdefault(mode, []).append(p_y.cpu().double().numpy())
    head.cpu()
    modes = {mode: np.concatenate(parts) for mode, parts in said.items()}
    return Outlook(np.concatenate(a) if a else None, modes)
