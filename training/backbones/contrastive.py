# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The generalised contrastive loss: what belongs together is to be told from what does not.

After Inoue & Goto, *Semi-Supervised Contrastive Learning with Generalized Contrastive Loss and Its
Application to Speaker Recognition*, APSIPA 2020: learning a metric with labels and learning by
contrast without any have one loss, and differ only in the *affinity* α, which says of two items
whether they are alike (1), unlike (−1), or neither (0). With s the cosine similarity, τ the
temperature and m the margin, row i loses

    L_i = −log( A_i / (A_i + U_i) ),
    A_i = Σ_{α_ij = 1} e^{(s_ij − m)/τ},  U_i = Σ_{α_ij = −1} e^{s_ij/τ}.

Where each row is like one column and unlike all others, and m = 0, that is NT-Xent (Chen,
Kornblith, Norouzi & Hinton, *A Simple Framework for Contrastive Learning of Visual
Representations*, ICML 2020, eq. 1).
"""

from __future__ import annotations

import torch
from torch import Tensor

ALIKE, NEITHER, UNLIKE = 1, 0, -1


def affinity_of_moments(recordings: Tensor, times: Tensor, neighbours: float | None) -> Tensor:
    """Tell which moments show the same, without a label.

    A moment is like itself. One of the same recording that is near in time mostly shows the same
    object, too, but not from the same side: neither. All others are unlike.

    Args:
        recordings: [B] long.
        times: [B] long, ns.
        neighbours: What is near, in seconds; None: all of a recording.

    Returns:
        [B, B] int8.

    """
    same = recordings[:, None] == recordings
    apart = (times[:, None] - times).abs()
    near = same if neighbours is None else same & (apart <= round(neighbours * 1e9))
    affinity = torch.full_like(same, UNLIKE, dtype=torch.int8)
    return affinity.masked_fill(near, NEITHER).masked_fill(same & (apart == 0), ALIKE)


def contrastive_loss(
    similarity: Tensor, affinity: Tensor, temperature: float, margin: float = 0.0
) -> Tensor:
    """Value similarities [N, M] by the affinity [N, M]; each row has to be like some column.

    Returns:
        The mean of L_i over the rows.

    """
    alike = affinity == ALIKE
    logits = (similarity - margin * alike.to(similarity.dtype)) / temperature
    counted = logits.masked_fill(affinity == NEITHER, -torch.inf).logsumexp(-1)
    return (counted - logits.masked_fill(~alike, -torch.inf).logsumexp(-1)).mean()
