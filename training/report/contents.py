# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.evaluation.evaluate import ZERO_FILL, Scores
from training.evaluation.shared_space import SharedSpace
from training.evaluation.trust import Findings
from training.fitting.climb import Epoch


@dataclass(frozen=True, eq=False)
class Samples:
    """The held-out frames that were scored, in the order of the scores.

    Attributes:
        thumbnails: [N, t, t, 3] uint8, R first, by modality: what the network was given.
        recordings: [N] the recording that each frame is of.
        times: [N] its time in seconds from that recording's start, NaN where unknown.

    """

    thumbnails: Mapping[str, NDArray[np.uint8]]
    recordings: Sequence[str]
    times: Sequence[float]


@dataclass(frozen=True, eq=False)
class Report:
    """A report's contents.

    Attributes:
        title: What was trained.
        classes: The class names, in the order of the scores' columns.
        scores: By mode, as `training.evaluation.evaluate.evaluate` gives them.
        samples: The frames that were scored.
        efficiency: (number of labelled frames, accuracy by mode) for each fit; may be empty.
        setup: What the figures depend on, by name; text of several lines, as a recipe's, is
            printed as it is.
        command: The command line that made it.
        warnings: What a reader has to know before any figure, as that a backbone was never trained.
        labelled: Labelled training frames by class; may be empty.
        trust: What is unknown, and what the held-out frames say of that; None of a model that
            cannot tell.
        history: The losses of each epoch of the fit; may be empty.
        space: Where the frames lie in the shared representation; None of a model without one.

    Raises:
        ValueError: Scores, samples and classes are not of the same frames and classes.

    """

    title: str
    classes: Sequence[str]
    scores: Mapping[str, Scores]
    samples: Samples
    efficiency: Sequence[tuple[int, Mapping[str, float]]]
    setup: Mapping[str, str]
    command: str
    warnings: Sequence[str] = ()
    labelled: Mapping[str, int] = field(default_factory=dict)
    trust: Findings | None = None
    history: Sequence[Epoch] = ()
    space: SharedSpace | None = None

    def __post_init__(self) -> None:
        if not self.scores:
            raise ValueError('report: no scores')
        frames = len(self.samples.recordings)
        lengths = {
            'times': len(self.samples.times),
            **{f'{name} thumbnails': len(v) for name, v in self.samples.thumbnails.items()},
            **({} if self.space is None else {'shared space': self.space.frames}),
            **{f'{mode} scores': len(s.truth) for mode, s in self.scores.items()},
        }
        for name, length in lengths.items():
            if length != frames or not frames:
                raise ValueError(f'report: {name} of {length} frames, recordings of {frames}')
        for mode, scores in self.scores.items():
            if scores.probabilities.shape[1] != len(self.classes):
                raise ValueError(
                    f'report: {mode} scores of {scores.probabilities.shape[1]} classes, '
                    f'{len(self.classes)} are named'
                )

    @property
    def modes(self) -> dict[str, Scores]:
        """The scores of the modes that the robot uses: all but those with zero fill."""
        return {m: s for m, s in self.scores.items() if not m.endswith(ZERO_FILL)}

    @property
    def truth(self) -> NDArray[np.int64]:
        """[N] the true class; the same in every mode."""
        return next(iter(self.scores.values())).truth

    def zero_fill(self, mode: str) -> Scores | None:
        """Give a single modality's scores with zeros in place of the missing one, if measured."""
        return self.scores.get(f'{mode}, {ZERO_FILL}')
