# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What every semi-supervised objective shares: one pass over two batches, and means over each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mm_perception.models.sharing import count, shared


class Objective(NamedTuple):
    """One step's value.

    Attributes:
        loss: A scalar to minimise.
        terms: Its parts by name, detached scalars on the same device, for a log; each is what
            enters the maximised objective, before its weight.

    """

    loss: Tensor
    terms: dict[str, Tensor]


def stacked(
    labelled: Mapping[str, Tensor],
    y: Tensor,
    unlabelled: Mapping[str, Tensor],
    modalities: Collection[str],
) -> dict[str, Tensor]:
    """Put the labelled rows before the unlabelled ones.

    Both sets go through the networks in one pass. Batch normalisation then sees one population:
    a handful of labelled items is not normalised by its own accidental spread, and the running
    statistics that the classifier uses later belong to what the networks were trained on.

    Args:
        labelled: [N, D] for each modality; or empty.
        y: [N], which only have to be as many.
        unlabelled: [M, D] for each modality; or empty.
        modalities: The modalities that there have to be.

    Returns:
        [N + M, D] for each modality.

    Raises:
        ValueError: A modality is missing or unknown, the labels are not as many as the labelled
            items, or neither batch holds an item.

    """
    parts = [part for part in (labelled, unlabelled) if part]
    for part in parts:
        if set(part) != set(modalities):
            raise ValueError(f'batch of {sorted(part)}: the model needs {sorted(modalities)}')
    if any(len(rows) != len(y) for rows in labelled.values()) or (len(y) and not labelled):
        found = {m: len(rows) for m, rows in labelled.items()}
        raise ValueError(f'labelled batch of {found} items with {len(y)} labels: give one an item')
    inputs = {m: torch.cat([part[m] for part in parts]) for m in modalities if parts}
    if not any(len(rows) for rows in inputs.values()):
        raise ValueError(
            'neither a labelled nor an unlabelled item in the batch: give at least one'
        )
    return inputs


def mean(rows: Tensor) -> Tensor:
    """Mean of [B], and 0 of an empty batch.

    Where several processes share the batch, it is this one's part of the mean over all their rows:
    the parts add up to it.
    """
    return rows.sum() / (count(rows) if shared() else max(len(rows), 1))


def weighed(L: Tensor, U: Tensor, log_q_y: Tensor, alpha: float) -> Objective:
    """Value −J: the mean over D_L of L + α log q(y|·), and the mean over D_U of U (eq. 6 and 7).

    Args:
        L: [N] labelled bounds.
        U: [M] unlabelled bounds.
        log_q_y: [N] log-likelihoods of the labels under the classifier.
        alpha: α.

    """
    terms = {'L': mean(L), 'U': mean(U), 'log_q_y': mean(log_q_y)}
    J = terms['L'] + alpha * terms['log_q_y'] + terms['U']
    return Objective(-J, {name: term.detach() for name, term in terms.items()})
