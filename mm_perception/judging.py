# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Several items at once, though not all have the same modalities.

The backbones see one batch a modality, and the model one a mode.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.head import Judge
from mm_perception.observation import Modality, mode_of
from mm_perception.pipeline import Image

Item = Mapping[Modality, NDArray[Any]]
"""An observation's images, as an inference takes them."""


@dataclass(frozen=True)
class Verdict:
    """What a model says of one item.

    Attributes:
        mode: The modalities that it was made from.
        probabilities: Of every class.
        novelty: How unlike anything learned; None where that was not learned.
        contradiction: How far the modalities disagree; None likewise, and of one modality.

    """

    mode: str
    probabilities: list[float]
    novelty: float | None
    contradiction: float | None


def joined(items: Sequence[Item], modalities: Sequence[Modality]) -> dict[Modality, Image]:
    """Give each modality's images of all items that have it, [N, size, size, 3].

    Args:
        items: Whatever order each has its modalities in.
        modalities: All that there may be, in the order to give them in.

    """
    images = {m: [item[m] for item in items if m in item] for m in modalities}
    return {
        m: found[0][None] if len(found) == 1 else np.stack(found)
        for m, found in images.items()
        if found
    }


def verdicts(
    judge: Judge,
    items: Sequence[Item],
    features: Mapping[Modality, Tensor],
    usable: Sequence[Collection[Modality]],
) -> list[Verdict | None]:
    """Judge items.

    Args:
        judge: The model.
        items: As they were joined.
        features: Of what was joined; a modality may be missing by now.
        usable: The modalities that each item may be judged by.

    Returns:
        One for each item; None for one that has none of the modalities.

    """
    rows: dict[Modality, int] = dict.fromkeys(features, 0)
    groups: dict[tuple[Modality, ...], list[tuple[int, dict[Modality, int]]]] = defaultdict(list)
    for number, (item, allowed) in enumerate(zip(items, usable, strict=True)):
        present = {m: rows[m] for m in features if m in item and m in allowed}
        for modality in features:
            rows[modality] += modality in item
        groups[tuple(present)].append((number, present))
    found: list[Verdict | None] = [None] * len(items)
    for modalities, members in groups.items():
        if not modalities:
            continue
        named = {str(m): _rows(features[m], [at[m] for _, at in members]) for m in modalities}
        for (number, _), verdict in zip(members, _judged(judge, modalities, named), strict=True):
            found[number] = verdict
    return found


def _rows(features: Tensor, rows: list[int]) -> Tensor:
    """Take some rows; of all of them, which is the usual case, nothing is copied to the device."""
    return features if len(rows) == len(features) else features[torch.tensor(rows)]


def _judged(
    judge: Judge, modalities: Sequence[Modality], features: Mapping[str, Tensor]
) -> list[Verdict]:
    with torch.inference_mode():
        judgement = judge(features)
    nothing = [None] * len(judgement.probabilities)
    novelty = nothing if judgement.novelty is None else judgement.novelty.tolist()
    apart = nothing if judgement.contradiction is None else judgement.contradiction.tolist()
    answers = zip(judgement.probabilities.tolist(), novelty, apart, strict=True)
    return [Verdict(mode_of(modalities), *answer) for answer in answers]
