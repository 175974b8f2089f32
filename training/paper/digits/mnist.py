# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The MNIST digits, from where a user has them: an ``mnist.npz`` or torchvision's folder."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray
from torch import Tensor
from torchvision.datasets import MNIST

from mm_perception.errors import TrainingError

SIDE = 28
CLASSES = 10
_COUNTS = {'train': 60_000, 'test': 10_000}
_FIRST = {'train': (5, 0, 4, 1, 9), 'test': (7, 2, 1, 0, 4)}


@dataclass(frozen=True)
class Digits:
    """Pictures of digits.

    Attributes:
        images: [N, 28, 28] uint8, white on black.
        labels: [N] long, 0 to 9.

    """

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Mnist:
    """The 60,000 training and 10,000 test digits, in their canonical order."""

    train: Digits
    test: Digits

    @cached_property
    def fingerprint(self) -> str:
        """Identify the training digits, to tell whether a checkpoint belongs to them."""
        digest = hashlib.sha256(self.train.images.numpy().tobytes())
        digest.update(self.train.labels.numpy().tobytes())
        return digest.hexdigest()


def read_mnist(path: Path) -> Mnist:
    """Read MNIST.

    Args:
        path: An ``.npz`` with ``x_train``, ``y_train``, ``x_test`` and ``y_test``, or the folder
            that was given to torchvision as ``root``.

    Raises:
        TrainingError: No such file, not MNIST, or not whole.

    """
    arrays = _from_torchvision(path) if path.is_dir() else _from_npz(path)
    parts = {}
    for part, count in _COUNTS.items():
        images, labels = np.asarray(arrays[f'x_{part}']), np.asarray(arrays[f'y_{part}'])
        wrong = _what_is_wrong(images, labels, count, _FIRST[part])
        if wrong:
            raise TrainingError(f'{path}: {wrong} in the {part} set; get MNIST anew')
        parts[part] = Digits(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))
    return Mnist(parts['train'], parts['test'])


def _from_npz(path: Path) -> dict[str, NDArray[np.uint8]]:
    names = [f'{kind}_{part}' for part in _COUNTS for kind in 'xy']
    try:
        opened = np.load(path, allow_pickle=False)
        if not isinstance(opened, NpzFile):  # the name tells nothing
            raise TrainingError(f'{path}: one array (.npy): not an mnist.npz')
        with opened as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise TrainingError(f'{path}: no {", ".join(missing)} in it: not an mnist.npz')
            return {name: file[name] for name in names}
    except FileNotFoundError as error:
        raise TrainingError(
            f'{path}: no such file; give --mnist an mnist.npz or the root of torchvision.datasets'
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise TrainingError(f'{path}: not an mnist.npz: {error}') from error


def _from_torchvision(root: Path) -> Mapping[str, NDArray[np.uint8]]:
    arrays = {}
    try:
        for part in _COUNTS:
            digits = MNIST(str(root), train=part == 'train', download=False)
            arrays[f'x_{part}'] = digits.data.numpy()
            arrays[f'y_{part}'] = digits.targets.numpy()
    except (RuntimeError, OSError, ValueError) as error:
        raise TrainingError(
            f'{root}: no MNIST in it: {" ".join(str(error).split())}; torchvision keeps it in '
            f'{root / "MNIST" / "raw"}'
        ) from error
    return arrays


def _what_is_wrong(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], count: int, first: tuple[int, ...]
) -> str | None:
    if images.shape != (count, SIDE, SIDE) or images.dtype != np.uint8:
        return f'images are {images.dtype} {images.shape}, not uint8 ({count}, {SIDE}, {SIDE})'
    if labels.shape != (count,):
        return f'labels are {labels.shape}, not ({count},)'
    if tuple(labels[: len(first)].tolist()) != first:
        return f'labels begin with {labels[: len(first)].tolist()}, not {list(first)},'
    if not images.any() or labels.min() < 0 or labels.max() >= CLASSES:
        return 'black images or labels beyond 0 to 9'
    return None
