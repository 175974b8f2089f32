# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which stretch to ask about next, so that each label counts.

A label tells of every frame that looks like those it names, the more the less was known of that
frame. With the labelled stretches and those asked about as the set S, F says what S tells::

    F(S) = sum over unlabelled frames i of  u_i max over s in S of (r² - d²(i, s))₊

d is the distance of a frame from the mean of a stretch in the backbone's features, which no label
has bent; r² is the mean d² of two frames, from which on one tells nothing of the other; u is how
little a model knows of a frame, 1 while there is none. Asked about next is what adds the most to F:
a stretch that many frames look like, that no label is near, and that the model is unsure of. Then
the same again with that one in S, so that a queue does not ask twice about one thing.

F is a facility location function: its gains only shrink as S grows, and taking the largest each
time comes within 1 - 1/e of the best set of that size (Nemhauser et al. 1978); bounds from before
spare most of the computing (Minoux 1978). Wei, Iyer & Bilmes, ICML 2015, choose so what to label.
What is typical and not yet covered beats, with few labels, what a model is unsure of (Hacohen et
al., TypiClust, ICML 2022; Yehuda et al., ProbCover, NeurIPS 2022); that both should count once
there is a model is BADGE's idea (Ash et al., ICLR 2020). Here its doubts are the weights u.

A model's doubt of a frame is::

    u = H[p(y|x,w)] + JSD[p(y|x,w), p(y|x), p(y|w)]
    JSD[p_1, …, p_M] = H[mean of p_m] - mean of H[p_m]

The entropy H is uncertainty sampling (Lewis & Gale, SIGIR 1994). The Jensen-Shannon divergence is
query by committee, the modes being the committee, with the "KL divergence to the mean" of McCallum
& Nigam, ICML 1998, §3.1. All in nats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.labelling.grouping import Points, Stretch, means, thinned

_LISTENERS = 1024
"""So many unlabelled frames, evenly over all, speak for the others."""


def uncertainty(probabilities: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """How little a model knows of each frame: u above.

    Args:
        probabilities: [N, K] by mode, that of all modalities first.

    Returns:
        [N], from 0 to 2 ln K.

    """
    modes = np.stack(list(probabilities.values()))
    divergence = entropy(modes.mean(0)) - entropy(modes).mean(0)
    found: NDArray[np.float64] = entropy(modes[0]) + np.maximum(divergence, 0)
    return found


def entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """H of the distributions in the last axis, in nats."""
    terms = np.where(p > 0, p * np.log(np.maximum(p, np.finfo(float).tiny)), 0)
    total: NDArray[np.float64] = -terms.sum(-1)
    return total


def order(
    found: Sequence[Stretch],
    points: Points,
    known: NDArray[np.bool_],
    doubts: NDArray[np.float64] | None,
    most: int | None = None,
) -> list[int]:
    """Order the stretches that hold a frame without a label, the one to ask about first.

    Args:
        found: All stretches, in the order of their frames: together they are the N frames.
        points: [N, P], near where frames look alike.
        known: [N] whether a frame has a label.
        doubts: [N] u above; None where there is no model yet.
        most: Give no more than so many.

    Returns:
        Their numbers.

    """
    points = points - points.mean(0)  # so that differences of squares lose no digits
    bare = means(found, points, ~known)
    open_ones = np.flatnonzero(~np.isnan(bare[:, 0]))
    labelled = means(found, points, known)
    listeners = np.flatnonzero(~known)
    listeners = listeners[thinned(len(listeners), _LISTENERS)]
    weights = np.ones(len(listeners), np.float32)
    if doubts is not None:
        weights = doubts[listeners].astype(np.float32)
    looks, reach = points[listeners], 2 * float(np.square(points).sum(1).mean())
    told = _told(labelled[~np.isnan(labelled[:, 0])], looks, reach)
    heard = told.max(0, initial=0)
    return _greedy(open_ones, _told(bare[open_ones], looks, reach), heard, weights, most)


def _greedy(
    numbers: NDArray[np.int64],
    told: Points,
    heard: Points,
    weights: Points,
    most: int | None,
) -> list[int]:
    """Take what adds the most, again and again; of equals the first.

    Args:
        numbers: [C] what may be taken.
        told: [C, L] what each of them tells of each listener.
        heard: [L] what the listeners have been told before.
        weights: [L] what that is worth.
        most: How many to take; None takes all.

    """
    gains = np.maximum(told - heard, 0) @ weights
    taken: list[int] = []
    while len(taken) < len(numbers) and (most is None or len(taken) < most):
        best = int(gains.argmax())
        gains[best] = np.maximum(told[best] - heard, 0) @ weights
        if int(gains.argmax()) == best:  # its gain is known; of the others, what it is at most
            taken.append(int(numbers[best]))
            heard = np.maximum(heard, told[best])
            gains[best] = -np.inf
    return taken


def _told(speakers: NDArray[np.float64], looks: Points, reach: float) -> Points:
    """(r² - d²)₊ of each speaker and listener, [S, L]."""
    by = speakers.astype(np.float32)
    closeness = 2 * by @ looks.T - np.square(by).sum(1)[:, None] - np.square(looks).sum(1)
    told: Points = np.clip(reach + closeness, 0, reach)
    return told
