# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which stretch to ask about next, so that each label counts.

A frame's worth is what its label would tell::

    u = H[p(y|x,w)] + JSD[p(y|x,w), p(y|x), p(y|w)]
    JSD[p_1, …, p_M] = H[mean of p_m] − mean of H[p_m]

The entropy H is uncertainty sampling (Lewis & Gale, SIGIR 1994). The Jensen-Shannon divergence is
query by committee, the modes being the committee, with the "KL divergence to the mean" of McCallum
& Nigam, ICML 1998, §3.1. All in nats. A stretch is worth the mean of its frames.

Stretches of one group look alike, and a second label of them tells less than the first: groups take
turns. Without a model the first turn begins with the largest group.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.labelling.grouping import Stretch


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


def worth(
    values: NDArray[np.float64], found: Sequence[Stretch], starts: Sequence[int]
) -> list[float]:
    """Average frames' values over each stretch; recording r's frames start at ``starts[r]``."""
    return [
        float(values[starts[s.recording] + s.first : starts[s.recording] + s.last + 1].mean())
        for s in found
    ]


def order(
    found: Sequence[Stretch], unlabelled: Collection[int], values: Sequence[float] | None
) -> list[int]:
    """Order the stretches to ask about, the first one first.

    Args:
        found: All stretches.
        unlabelled: The numbers of those that may be asked about.
        values: What each is worth, by a model; None where there is no model yet.

    """
    asked = Counter(s.group for i, s in enumerate(found) if i not in unlabelled)
    sizes: Counter[int] = Counter()
    for s in found:
        sizes[s.group] += len(s)

    def best_first(i: int) -> tuple[float, ...]:
        if values is not None:
            return -values[i], i
        return -sizes[found[i].group], found[i].group, -len(found[i]), i

    # With a model the groups are its own and know of the labels; without, they do not.
    turns = Counter(asked) if values is None else Counter[int]()
    keyed = []
    for i in sorted(unlabelled, key=best_first):
        keyed.append((turns[found[i].group], best_first(i), i))
        turns[found[i].group] += 1
    return [i for _, _, i in sorted(keyed)]
