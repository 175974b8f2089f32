# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that look alike, so that one label serves many."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

Points = NDArray[np.float32]

_COMPONENTS = 32  # of the features; distances in thousands of dimensions say little
_LEARNED_FROM = 8192  # frames; more teach the components and the centres nothing
_CHUNK = 4096
_WINDOW = 5  # frames over which likeness is averaged, so that none flickers out of its stretch
_MOST_GROUPS = 200  # that anybody would look through


@dataclass(frozen=True)
class Stretch:
    """Frames of one recording and one group that follow one another.

    Attributes:
        recording: Its number.
        first: Its first frame's number within the recording.
        last: Its last frame's.
        group: Its group's number.

    """

    recording: int
    first: int
    last: int
    group: int

    def __len__(self) -> int:
        """Count the frames."""
        return self.last - self.first + 1


def points_of_features(features: Mapping[str, Points]) -> Points:
    """Make features comparable: the direction of each modality's, in their main components.

    Args:
        features: [N, D] by modality.

    Returns:
        [N, 32]; the directions themselves of fewer frames or features than that.

    """
    frames = len(next(iter(features.values())))
    if frames <= _COMPONENTS or sum(f.shape[1] for f in features.values()) <= _COMPONENTS:
        return _directions(features, np.arange(frames))
    pca = PCA(_COMPONENTS, svd_solver='randomized', random_state=0)
    pca.fit(_directions(features, thinned(frames, _LEARNED_FROM)))
    chunks = np.array_split(np.arange(frames), math.ceil(frames / _CHUNK))
    return np.concatenate([pca.transform(_directions(features, rows)) for rows in chunks])


def group(points: Points, lengths: Sequence[int], groups: int | None = None) -> NDArray[np.int64]:
    """Group frames by k-means; the largest group is number 0.

    Args:
        points: [N, P], near where frames look alike.
        lengths: How many of them are of each recording, in their order; one at least.
        groups: How many to make; None takes the rule of thumb √(N/2).

    Returns:
        [N] each frame's group, the same at each call.

    """
    steady = np.concatenate([_averaged(part) for part in _by_recording(points, lengths)])
    wanted = groups or min(round(math.sqrt(len(points) / 2)), _MOST_GROUPS)
    learned_from = steady[thinned(len(steady), _LEARNED_FROM)]
    count = max(min(wanted, len(np.unique(learned_from, axis=0))), 1)
    found = KMeans(count, n_init=4, random_state=0).fit(learned_from).predict(steady)
    sizes = np.bincount(found, minlength=count)
    rank = np.empty(count, np.int64)
    rank[np.argsort(-sizes, kind='stable')] = np.arange(count)
    numbers: NDArray[np.int64] = rank[found]
    return numbers


def stretches(groups: NDArray[np.int64], lengths: Sequence[int]) -> list[Stretch]:
    """Cut each recording where the group changes."""
    found = []
    for recording, numbers in enumerate(_by_recording(groups, lengths)):
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist()]
        for first, after in zip(starts, [*starts[1:], len(numbers)], strict=True):
            found.append(Stretch(recording, first, after - 1, int(numbers[first])))
    return found


def means(
    found: Sequence[Stretch], values: NDArray[Any], chosen: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Average each stretch's frames.

    Args:
        found: All stretches, in the order of their frames.
        values: [N, V], of all frames.
        chosen: [N] which of them count; None takes all.

    Returns:
        [S, V]; NaN of a stretch of which no frame counts.

    """
    first = np.cumsum([0, *(len(s) for s in found[:-1])])
    counts = np.array([len(s) for s in found])
    if chosen is not None:
        counts = np.add.reduceat(chosen.astype(np.int64), first)
        values = np.where(chosen[:, None], values, 0)
    average: NDArray[np.float64] = np.full((len(found), values.shape[1]), np.nan)
    sums = np.add.reduceat(values, first, dtype=np.float64)
    np.divide(sums, counts[:, None], out=average, where=counts[:, None] > 0)
    return average


def thinned(count: int, most: int) -> NDArray[np.int64]:
    """Number some of so many frames, evenly over all of them."""
    return np.linspace(0, max(count - 1, 0), min(count, most)).astype(np.int64)


def _directions(features: Mapping[str, Points], rows: NDArray[np.int64]) -> Points:
    """Scale each modality's features to length 1, so that both weigh alike."""
    chosen = [values[rows] for _, values in sorted(features.items())]
    lengths = [np.linalg.norm(values, axis=1, keepdims=True) for values in chosen]
    return np.hstack([v / np.maximum(n, 1e-9) for v, n in zip(chosen, lengths, strict=True)])


def _averaged(points: Points) -> Points:
    """Average each frame with its neighbours in time."""
    reach = min(_WINDOW, len(points)) // 2
    if not reach:
        return points
    padded = np.pad(points, ((reach, reach), (0, 0)), mode='edge')
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    average: Points = windows.mean(-1)
    return average


def _by_recording(values: NDArray, lengths: Sequence[int]) -> Iterator[NDArray]:  # type: ignore[type-arg]  # of any
    return iter(np.split(values, np.cumsum(lengths)[:-1]))
