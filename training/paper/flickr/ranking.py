# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Label-ranking average precision (LRAP): how well scores order the labels of each item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def label_ranking_average_precision(
    truth: NDArray[np.bool_], scores: NDArray[np.floating]
) -> float:
    """Of the labels ranked at least as high as a true one, the share that is true; on average.

    Tsoumakas, Katakis & Vlahavas, Mining multi-label data, 2010, §34.4.2 (average precision)::

        LRAP = mean over items of mean over true labels j of
               |{k true: s_k ≥ s_j}| / |{k: s_k ≥ s_j}|

    Labels with equal scores share the worst of their ranks. An item that has no true label, of
    which the definition says nothing, counts as 1, as in scikit-learn; so does one that has all.

    Args:
        truth: [N, L] which labels are true.
        scores: [N, L], the higher the likelier; finite.

    Returns:
        Between 0 and 1.

    """
    at_least = scores[:, None, :] >= scores[:, :, None]  # [N, j, k]
    rank = at_least.sum(axis=2)
    true_rank = (at_least & truth[:, None, :]).sum(axis=2)
    of_items = np.where(truth, true_rank / rank, 0).sum(axis=1)
    count = truth.sum(axis=1)
    return float(np.where(count == 0, 1, of_items / np.maximum(count, 1)).mean())
