# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""MIR Flickr's published features: 25,000 labelled images, their tags and their categories.

Srivastava & Salakhutdinov, Multimodal learning with deep Boltzmann machines, NIPS 2012, put them at
http://www.cs.toronto.edu/~nitish/multimodal (flickr_data.tar.gz). Unpacked, what is read is::

    image/labelled/combined-*.npy           [·, 3857] features, in the order of the files' names
    text/text_all_2000_labelled.npz         [25000, 2000] tags; data, indices, indptr, shape (CSR)
    labels.npy                              [25000, 38]
    splits/{train,valid,test}_indices_N.npy    10,000, 5,000 and 10,000 rows, N from 1 to 5

The 975,000 images without labels are not used. Nothing is read by pickle.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.errors import TrainingError

SPLITS = (1, 2, 3, 4, 5)
_AGAIN = 'unpack flickr_data.tar.gz of http://www.cs.toronto.edu/~nitish/multimodal again'
_DAMAGED = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)
_CSR = ('data', 'indices', 'indptr', 'shape')


@dataclass(frozen=True)
class Split:
    """Which rows are learned from, and which are scored.

    Attributes:
        train: Rows; the published training and validation rows together, 15,000.
        test: Rows, 10,000.

    """

    train: Tensor
    test: Tensor


@dataclass(frozen=True)
class Flickr:
    """The items.

    Attributes:
        image: [N, D] float32.
        tags: [N, T] float32, 0 or 1.
        labels: [N, L] bool.
        splits: By number.

    """

    image: Tensor
    tags: Tensor
    labels: Tensor
    splits: dict[int, Split]


def read_flickr(folder: Path, splits: Iterable[int] = SPLITS) -> Flickr:
    """Read the published files.

    Args:
        folder: Where labels.npy lies, or the folder above it, if that is called flickr.
        splits: The numbers of those to read.

    Raises:
        TrainingError: A file is missing, damaged, or does not fit the others.

    """
    if not folder.is_dir():
        raise TrainingError(f'{folder}: no such folder; {_AGAIN.removesuffix(" again")} there')
    if not (folder / 'labels.npy').exists() and (folder / 'flickr').is_dir():
        folder = folder / 'flickr'
    labels = _table(folder / 'labels.npy')
    image = _images(folder / 'image' / 'labelled', len(labels))
    tags = _tags(folder / 'text' / 'text_all_2000_labelled.npz', len(labels))
    return Flickr(
        torch.from_numpy(image.astype(np.float32)),
        torch.from_numpy(tags),
        torch.from_numpy(labels > 0),
        {number: _split(folder / 'splits', number, len(labels)) for number in splits},
    )


def _images(folder: Path, items: int) -> NDArray[Any]:
    paths = sorted(folder.glob('combined-*.npy'))
    if not paths:
        raise TrainingError(f'{folder}: no file combined-*.npy with image features; {_AGAIN}')
    parts = [_table(path) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        if part.shape[1] != parts[0].shape[1]:
            raise TrainingError(
                f'{path}: {part.shape[1]} features an image, {paths[0].name} has '
                f'{parts[0].shape[1]}; {_AGAIN}'
            )
    found = sum(len(part) for part in parts)
    if found != items:
        raise TrainingError(
            f'{folder}: {found} images in combined-*.npy, but labels.npy has {items}; {_AGAIN}'
        )
    return np.concatenate(parts)


def _tags(path: Path, items: int) -> NDArray[np.float32]:
    file = _load(path)
    if not isinstance(file, NpzFile) or set(_CSR) - set(file.files):
        raise TrainingError(f'{path}: must hold the arrays {", ".join(_CSR)}; {_AGAIN}')
    try:
        with file:
            data, indices, indptr, shape = (file[name] for name in _CSR)
    except _DAMAGED as error:
        raise TrainingError(f'{path}: damaged ({error}); {_AGAIN}') from error
    if shape.shape != (2,) or shape[0] != items:
        raise TrainingError(
            f'{path}: tags of shape {shape.tolist()}, but labels.npy has {items} items; {_AGAIN}'
        )
    if not _is_sparse(data, indices, indptr, shape):
        raise TrainingError(
            f'{path}: indices and indptr are not those of a sparse matrix (CSR) of shape '
            f'{shape.tolist()}; {_AGAIN}'
        )
    tags = np.zeros(shape, np.float32)
    given = data > 0  # a count stands for a tag: the model's tags are there or not
    tags[np.repeat(np.arange(items), np.diff(indptr))[given], indices[given]] = 1
    return tags


def _is_sparse(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], shape: NDArray[Any]
) -> bool:
    kinds = data.dtype.kind in 'biuf' and {indices.dtype.kind, indptr.dtype.kind} <= set('iu')
    ranks = data.ndim == indices.ndim == indptr.ndim == 1
    if not kinds or not ranks or len(indptr) != shape[0] + 1:
        return False
    whole = indptr[0] == 0 and indptr[-1] == len(data) == len(indices)
    rising = (indptr[1:] >= indptr[:-1]).all()
    return bool(whole and rising and (indices >= 0).all() and (indices < shape[1]).all())


def _split(folder: Path, number: int, items: int) -> Split:
    names = [folder / f'{part}_indices_{number}.npy' for part in ('train', 'valid', 'test')]
    train, valid, test = (_rows(path, items) for path in names)
    rows = np.concatenate([train, valid, test])
    if len(np.unique(rows)) != len(rows):
        raise TrainingError(
            f'{names[0]}: shares rows with {names[1].name} or {names[2].name}, or '
            f'one has a row twice; {_AGAIN}'
        )
    learned = torch.from_numpy(np.concatenate([train, valid]))
    return Split(learned, torch.from_numpy(test))


def _rows(path: Path, items: int) -> NDArray[np.int64]:
    rows = _load(path)
    if not isinstance(rows, np.ndarray) or rows.ndim != 1 or rows.dtype.kind not in 'iu':
        raise TrainingError(f'{path}: must hold one list of row numbers; {_AGAIN}')
    if not len(rows) or rows.min() < 0 or rows.max() >= items:
        raise TrainingError(
            f'{path}: must hold row numbers from 0 to {items - 1}, at least one; {_AGAIN}'
        )
    return rows.astype(np.int64)


def _table(path: Path) -> NDArray[Any]:
    table = _load(path)
    if not isinstance(table, np.ndarray) or table.ndim != 2 or table.dtype.kind not in 'biuf':  # noqa: PLR2004 - rows and columns
        raise TrainingError(f'{path}: must hold one table of numbers; {_AGAIN}')
    if not table.size or not np.isfinite(table).all():
        raise TrainingError(f'{path}: is empty, or holds what is not a number; {_AGAIN}')
    return table


def _load(path: Path) -> object:
    if not path.is_file():
        raise TrainingError(f'{path}: no such file; {_AGAIN}')
    try:
        return np.load(path, allow_pickle=False)
    except _DAMAGED as error:
        raise TrainingError(f'{path}: damaged ({error}); {_AGAIN}') from error
