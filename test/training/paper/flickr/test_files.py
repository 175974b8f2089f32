# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Reading MIR Flickr's published features: what is read, and every way it can be wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from made_flickr import IMAGE, ITEMS, LABELS, TAGS, TEST, TRAIN, VALID, write_flickr, write_tags

from mm_perception.errors import TrainingError
from training.paper.flickr.files import read_flickr

TEXT = 'text/text_all_2000_labelled.npz'
FIRST, SECOND = (
    'image/labelled/combined-00001-of-00100.npy',
    'image/labelled/combined-00002_0-of-00100.npy',
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_flickr(tmp_path / 'flickr')


def test_every_item_has_its_image_its_tags_and_its_labels(folder: Path) -> None:
    flickr = read_flickr(folder, splits=[1, 2])

    assert flickr.image.shape == (ITEMS, IMAGE)
    assert flickr.tags.shape == (ITEMS, TAGS)
    assert flickr.labels.shape == (ITEMS, LABELS)
    assert {flickr.image.dtype, flickr.tags.dtype} == {torch.float32}
    images = np.concatenate([np.load(folder / FIRST), np.load(folder / SECOND)])
    np.testing.assert_allclose(flickr.image.numpy(), images, rtol=1e-6)
    np.testing.assert_array_equal(flickr.labels.numpy(), np.load(folder / 'labels.npy') == 1)


def test_tags_are_there_or_not_however_often_they_were_given(folder: Path) -> None:
    counts = np.zeros((ITEMS, TAGS), np.int64)
    counts[0, 3], counts[2, [0, 9]], counts[ITEMS - 1, 5] = 1, (4, 2), 7
    write_tags(folder, counts)

    tags = read_flickr(folder, splits=[1]).tags

    np.testing.assert_array_equal(tags.numpy(), counts > 0)


def test_validation_rows_are_learned_from_and_test_rows_are_not(folder: Path) -> None:
    split = read_flickr(folder, splits=[2]).splits[2]

    assert (len(split.train), len(split.test)) == (TRAIN + VALID, TEST)
    assert not set(split.train.tolist()) & set(split.test.tolist())
    np.testing.assert_array_equal(split.test.numpy(), np.load(folder / 'splits/test_indices_2.npy'))


def test_the_folder_above_flickr_will_do(folder: Path) -> None:
    assert torch.equal(read_flickr(folder.parent, [1]).image, read_flickr(folder, [1]).image)


Damage = Callable[[Path], object]


def removed(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def array(name: str, values: object) -> Damage:
    return lambda folder: np.save(folder / name, np.asarray(values))


def torn(name: str) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:100])


def sparse(**changes: object) -> Damage:
    def damage(folder: Path) -> None:
        with np.load(folder / TEXT) as file:
            arrays = {name: file[name] for name in file.files} | changes
        np.savez(folder / TEXT, **{k: v for k, v in arrays.items() if v is not None})

    return damage


def pickled(folder: Path) -> None:
    (folder / 'labels.npy').write_bytes(pickle.dumps(np.zeros((ITEMS, LABELS))))


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (removed('labels.npy'), 'labels.npy: no such file; unpack flickr_data.tar.gz of'),
        (torn('labels.npy'), 'labels.npy: damaged'),
        (pickled, 'labels.npy: damaged'),
        (array('labels.npy', [1.0, 2.0]), 'labels.npy: must hold one table of numbers'),
        (array('labels.npy', [['cat', 'dog']]), 'labels.npy: must hold one table of numbers'),
        (array('labels.npy', np.zeros((0, 38))), 'labels.npy: is empty'),
        (
            array('labels.npy', np.zeros((ITEMS + 1, LABELS))),
            rf'labelled: {ITEMS} images in combined-\*.npy, but labels.npy has {ITEMS + 1}',
        ),
        (removed(SECOND), f'labelled: {ITEMS // 2} images in combined-'),
        (
            lambda folder: [(folder / name).unlink() for name in (FIRST, SECOND)],
            r'labelled: no file combined-\*.npy with image features',
        ),
        (
            array(SECOND, np.zeros((ITEMS // 2, IMAGE - 1))),
            f'00002_0-of-00100.npy: {IMAGE - 1} features an image, combined-00001.* has {IMAGE};',
        ),
        (
            array(FIRST, np.full((ITEMS // 2, IMAGE), np.nan)),
            'combined-00001-of-00100.npy: is empty, or holds what is not a number',
        ),
        (removed(TEXT), 'text_all_2000_labelled.npz: no such file'),
        (torn(TEXT), 'text_all_2000_labelled.npz: damaged'),
        (
            lambda folder: np.save((folder / TEXT).open('wb'), np.zeros(3)),
            'npz: must hold the arrays data, indices, indptr, shape',
        ),
        (sparse(indptr=None), 'npz: must hold the arrays data, indices, indptr, shape'),
        (sparse(shape=[ITEMS - 1, TAGS]), rf'npz: tags of shape \[{ITEMS - 1}, {TAGS}\], but'),
        (sparse(shape=[ITEMS]), rf'npz: tags of shape \[{ITEMS}\], but'),
        (sparse(shape=[ITEMS, 2]), 'npz: indices and indptr are not those of a sparse matrix'),
        (sparse(indptr=np.arange(ITEMS + 1)), 'npz: indices and indptr are not those'),
        (sparse(indptr=np.zeros(3, np.int64)), 'npz: indices and indptr are not those'),
        (sparse(indices=np.zeros(3)), 'npz: indices and indptr are not those'),
        (removed('splits/valid_indices_1.npy'), 'valid_indices_1.npy: no such file'),
        (array('splits/test_indices_1.npy', [[1, 2]]), 'must hold one list of row numbers'),
        (array('splits/test_indices_1.npy', [0.5]), 'must hold one list of row numbers'),
        (
            array('splits/test_indices_1.npy', [0, ITEMS]),
            f'test_indices_1.npy: must hold row numbers from 0 to {ITEMS - 1}',
        ),
        (array('splits/test_indices_1.npy', [-1]), 'must hold row numbers from 0'),
        (array('splits/test_indices_1.npy', np.zeros(0, int)), 'at least one'),
        (
            array('splits/test_indices_1.npy', np.arange(ITEMS)),
            'train_indices_1.npy: shares rows with valid_indices_1.npy or test_indices_1.npy',
        ),
    ],
)
def test_a_wrong_file_is_refused_by_its_name(damage: Damage, message: str, folder: Path) -> None:
    damage(folder)

    with pytest.raises(TrainingError, match=message) as caught:
        read_flickr(folder, splits=[1])

    assert '\n' not in str(caught.value)
    assert str(caught.value).startswith(str(folder))
    assert 'unpack flickr_data.tar.gz' in str(caught.value)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r'nowhere: no such folder; unpack .* there'):
        read_flickr(tmp_path / 'nowhere')
