# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""MNIST is read from where a user has it, and what is not MNIST is refused by name."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from mm_perception.errors import TrainingError
from training.paper.digits.mnist import read_mnist


def test_npz_gives_the_real_digits_in_their_order(shared_data: Path) -> None:
    mnist = read_mnist(shared_data / 'mnist.npz')
    assert mnist.train.images.shape == (60_000, 28, 28)
    assert mnist.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert 33 < mnist.train.images.float().mean() < 34  # 0.1307 of 255, as everybody knows it


def test_torchvisions_folder_gives_the_same_digits(shared_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / 'MNIST' / 'raw'
    raw.mkdir(parents=True)
    with np.load(shared_data / 'mnist.npz') as arrays:
        for part, name in (('train', 'train'), ('test', 't10k')):
            images, labels = arrays[f'x_{part}'], arrays[f'y_{part}']
            shape = struct.pack('>IIII', 2051, *images.shape)
            (raw / f'{name}-images-idx3-ubyte').write_bytes(shape + images.tobytes())
            count = struct.pack('>II', 2049, len(labels))
            digits = labels.astype(np.uint8).tobytes()
            (raw / f'{name}-labels-idx1-ubyte').write_bytes(count + digits)
    ours, theirs = read_mnist(shared_data / 'mnist.npz'), read_mnist(tmp_path)
    assert ours.train.images.equal(theirs.train.images)
    assert ours.test.labels.equal(theirs.test.labels)


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        ({'x_train': None}, 'no x_train in it: not an mnist.npz'),
        ({'x_test': np.zeros((9_999, 28, 28), np.uint8)}, r'images are uint8 \(9999, 28, 28\)'),
        ({'x_train': np.zeros((60_000, 28, 28), np.float32)}, 'images are float32'),
        ({'y_train': np.zeros(60_000, np.uint8)}, r'labels begin with \[0, 0, 0, 0, 0\]'),
        ({'y_test': np.zeros(7, np.uint8)}, r'labels are \(7,\)'),
        ({'x_train': np.zeros((60_000, 28, 28), np.uint8)}, 'black images'),
    ],
)
def test_a_wrong_npz_is_refused_with_what_is_wrong(
    tmp_path: Path, change: dict[str, np.ndarray | None], says: str
) -> None:
    first = {'train': [5, 0, 4, 1, 9], 'test': [7, 2, 1, 0, 4]}
    arrays: dict[str, np.ndarray | None] = {}
    for part, count in (('train', 60_000), ('test', 10_000)):
        arrays[f'x_{part}'] = np.ones((count, 28, 28), np.uint8)
        arrays[f'y_{part}'] = np.resize(np.array(first[part], np.uint8), count)
    path = tmp_path / 'mnist.npz'
    np.savez(path, **{name: a for name, a in (arrays | change).items() if a is not None})
    with pytest.raises(TrainingError, match=f'{path}: .*{says}'):
        read_mnist(path)


def test_a_file_that_is_no_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'mnist.npz'
    for content in (b'', b'rubbish', gzip.compress(b'rubbish')):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match=f'{path}: not an mnist.npz'):
            read_mnist(path)


@pytest.mark.parametrize('name', ['mnist.npy', 'mnist.npz'])
def test_a_single_array_is_refused_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open('wb') as file:
        np.save(file, np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(TrainingError, match=rf'{path}: one array \(.npy\): not an mnist.npz'):
        read_mnist(path)


def test_a_cut_npz_is_refused(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / 'mnist.npz'
    path.write_bytes((shared_data / 'mnist.npz').read_bytes()[:5_000_000])
    with pytest.raises(TrainingError, match=f'{path}: not an mnist.npz'):
        read_mnist(path)


def test_a_missing_file_and_an_empty_folder_say_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match='no such file; give --mnist'):
        read_mnist(tmp_path / 'none.npz')
    with pytest.raises(TrainingError, match='torchvision keeps it in'):
        read_mnist(tmp_path)
