# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recording whose pictures are seen a little differently, so that its features are, too.

A frozen backbone's features are computed once. What a fit may see of a picture beside itself is
therefore a few drawings of ``Augmentation``, made beforehand, and the same each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from mm_perception.observation import Modality, Observation
from training.features.augmentation import Augmentation

if TYPE_CHECKING:
    from training.features.dataset import Source


@dataclass(frozen=True)
class View:
    """A recording of crops, of which each is cut, turned over, lit and painted anew.

    Attributes:
        source: The recording.
        number: Which of its views, from 1.

    """

    source: Source
    number: int

    @property
    def name(self) -> str:
        """The recording's: its rows are rows of the same moments."""
        return self.source.name

    @property
    def start(self) -> int:
        """The recording's."""
        return self.source.start

    def identity(self) -> Mapping[str, object]:
        """The recording's, and which view of it."""
        return {'view': self.number, 'of': self.source.identity()}

    def observations(self, every: int) -> Iterator[tuple[int, Observation]]:
        """Give the same observations, seen differently; which way hangs on name and time alone."""
        for time, observation in self.source.observations(every):
            seed = hashlib.sha256(f'{self.name} {time} {self.number}'.encode()).digest()[:8]
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int.from_bytes(seed, 'big') % 2**63)
                change = Augmentation.draw().painted()
            yield time, _changed(observation, change)


def _changed(observation: Observation, change: Augmentation) -> Observation:
    """Change all frames alike; depth of which nothing would be left stays as it is."""
    images = change({m: frame.image for m, frame in observation.frames.items()})
    depth = images.get(Modality.DEPTH)
    if depth is not None and not (np.nan_to_num(depth, posinf=0) > 0).any():
        images[Modality.DEPTH] = observation.frames[Modality.DEPTH].image
    frames = {m: replace(frame, image=images[m]) for m, frame in observation.frames.items()}
    return replace(observation, frames=frames)
