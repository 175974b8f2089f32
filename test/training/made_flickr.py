# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A small set in the layout of MIR Flickr's published features, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ITEMS, IMAGE, TAGS, LABELS = 200, 12, 10, 4
TRAIN, VALID, TEST = 90, 30, 80
SPLITS = 2


def write_flickr(folder: Path, seed: int = 0) -> Path:
    """Write the set. Two hidden causes make the labels; images show one of them, tags the other."""
    generator = np.random.default_rng(seed)
    causes = generator.normal(size=(ITEMS, 2))
    noise = generator.normal(size=(ITEMS, IMAGE))
    image = 5 + np.outer(causes[:, 0], generator.normal(size=IMAGE)) + 0.5 * noise
    image[:, 3] = 2  # a feature that never changes
    tags = generator.poisson(np.exp(np.outer(causes[:, 1], np.linspace(-2, 2, TAGS)) - 1))
    directions = np.array([[1, 0], [0, 1], [0, -1], [1, 1]])
    labels = (causes @ directions.T > 0.5).astype(np.float64)

    for part in ('image/labelled', 'text', 'splits'):
        (folder / part).mkdir(parents=True)
    half = ITEMS // 2
    np.save(folder / 'image/labelled/combined-00001-of-00100.npy', image[:half].astype(np.float32))
    np.save(folder / 'image/labelled/combined-00002_0-of-00100.npy', image[half:])
    write_tags(folder, tags)
    np.save(folder / 'labels.npy', labels)
    for number in range(1, SPLITS + 1):
        rows = generator.permutation(ITEMS)
        parts = np.split(rows, [TRAIN, TRAIN + VALID])
        for name, chosen in zip(('train', 'valid', 'test'), parts, strict=True):
            np.save(folder / f'splits/{name}_indices_{number}.npy', chosen)
    return folder


def write_tags(folder: Path, tags: NDArray[np.int64]) -> None:
    """Write tags [N, T] as the published file has them: counts, sparse by rows."""
    indptr = np.concatenate([[0], np.cumsum((tags > 0).sum(axis=1))]).astype(np.int32)
    _, indices = np.nonzero(tags)
    np.savez(
        folder / 'text/text_all_2000_labelled.npz',
        data=tags[tags > 0].astype(np.float32),
        indices=indices.astype(np.int32),
        indptr=indptr,
        shape=np.array(tags.shape),
    )
