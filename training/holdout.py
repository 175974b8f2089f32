# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which recordings can be held out so that what is left still shows every class."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Hashable, Sequence
from collections.abc import Set as AbstractSet


def choose(
    by_class: Sequence[AbstractSet[str]], count: Callable[[int], int], seed: int
) -> frozenset[str]:
    """Choose recordings to hold out; one counts to every class that it shows.

    Args:
        by_class: The recordings that show each class, in the order in which classes choose.
        count: How many to hold out of so many; fewer go where a class would lose its last one.
        seed: Of the choice.

    """
    chooser = random.Random(seed)
    chosen: set[str] = set()
    for names in by_class:
        most = min(count(len(names)), len(names) - 1)
        while (lacking := most - len(names & chosen)) > 0:
            spare = [name for name in sorted(names - chosen) if can_go(name, chosen, by_class)]
            if not spare:
                break
            for name in chooser.sample(spare, min(lacking, len(spare))):
                if can_go(name, chosen, by_class):
                    chosen.add(name)
    return frozenset(chosen)


def can_go(
    recording: Hashable, gone: Collection[Hashable], by_class: Collection[AbstractSet[Hashable]]
) -> bool:
    """Whether every class keeps a recording to learn from."""
    return all(names - {*gone, recording} for names in by_class)
