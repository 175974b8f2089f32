# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mm_perception.errors import TrainingError
from training.paper.figures import (
    Generation,
    Images,
    _by_split,
    _mosaic,
    figure4,
    figure5,
    figure6,
)
from training.paper.published import TABLE5
from training.paper.results import Result
from training.paper.tables.comparison import Variant

BLACK, BLUE, VERMILION = (0, 0, 0), (0, 0x72, 0xB2), (0xD5, 0x5E, 0)
KL = next(entry for entry in TABLE5.entries if entry.name == 'SS-HMVAE-kl')


def pixels(png: bytes) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[..., ::-1].astype(np.uint8)


def count(png: bytes, colour: tuple[int, int, int]) -> int:
    return int((pixels(png) == colour).all(axis=2).sum())


@pytest.fixture(scope='module')
def digits(shared_data: Path) -> Images:
    """Ten real digits, [10, 28, 28] in [0, 1]."""
    with np.load(shared_data / 'mnist.npz') as file:
        found: Images = file['x_test'][:10].astype(np.float32) / 255
    return found


def halves(digits: Images) -> list[Generation]:
    left, right = digits[:, :, :14], digits[:, :, 14:]
    return [
        Generation('x from w', left, {'zero fill': left * 0, 'KL': left}, right, 'right'),
        Generation('w from x', right, {'zero fill': right * 0, 'KL': right}, left, 'left'),
    ]


def result(split: int | None, seed: int = 0, **fields: Any) -> Result:
    """Give a run of SS-HMVAE-kl on a split of the Washington data."""
    return Result.model_validate(
        {
            'time': datetime(2026, 7, 1, tzinfo=timezone.utc),
            'commit': '',
            'machine': 'a processor, 2 threads',
            'device': 'cpu',
            'seconds': 60,
            'data': 'Washington RGB-D',
            'model': 'ss_hmvae_kl',
            'missing': 'kl',
            'labels': '5%',
            'a': 1024,
            'alpha': 1,
            'beta': 1,
            'recipe': 'paper',
            'epochs': 100,
            'seed': seed,
            'split': split,
            'x': 86,
            'w': 81,
            'xw': 90,
        }
        | fields
    )


def test_learning_curves_are_told_apart_and_the_papers_alpha_is_black() -> None:
    small, right, large = (0.1, [20.0, 40.0, 60.0]), (1.0, [30.0, 60.0, 86.0]), (10.0, [30, 50, 70])
    three, two = figure4([small, right, large]), figure4([large, small])
    assert count(three, BLUE) > 100
    assert count(three, VERMILION) > 100
    assert count(two, BLACK) < count(three, BLACK) - 300
    assert figure4([large, right, small]) == three  # whatever the order


def test_learning_curves_may_be_short_or_not_there_yet() -> None:
    assert count(figure4([(1.0, []), (10.0, [50.0]), (0.1, [10.0, 20.0])]), BLUE) > 100


def test_the_better_curve_is_above_the_other() -> None:
    picture = pixels(figure4([(0.1, [20.0] * 9), (10.0, [90.0] * 9)]))
    plot = picture[:, : picture.shape[1] * 2 // 3]  # without the legend
    rows = [np.argwhere((plot == colour).all(axis=2))[:, 0].mean() for colour in (VERMILION, BLUE)]
    assert rows[0] < rows[1] - 100


def test_the_given_half_is_joined_faintly_on_its_own_side(digits: Images) -> None:
    for generation in halves(digits):
        rows, names = _mosaic(generation)
        assert names == ['original', 'zero fill', 'KL']
        theirs = slice(14, 28) if generation.side == 'right' else slice(0, 14)
        ours = slice(0, 14) if generation.side == 'right' else slice(14, 28)
        np.testing.assert_allclose(rows[0][:, :, ours, 0], 1 - generation.original, atol=1e-6)
        assert (rows[1][:, :, ours] == 1).all()  # nothing was generated
        for row in rows:
            faint = row[:, :, theirs]
            assert faint.min() > 0.6  # whatever is given stays light
            assert (faint[generation.given > 0.5, 0] < 0.85).all()  # and can be seen
            assert (faint[..., 2] >= faint[..., 0]).all()  # and is bluish


def test_a_picture_that_is_given_has_a_row_of_its_own(digits: Images) -> None:
    rows, names = _mosaic(Generation('x from w', digits, {'KL': digits * 0.5}, digits[::-1]))
    assert names == ['given', 'original', 'KL']
    np.testing.assert_allclose(rows[0][..., 1], 1 - digits[::-1], atol=1e-6)
    np.testing.assert_allclose(rows[2][..., 1], 1 - digits * 0.5, atol=1e-6)


def test_both_data_sets_are_in_one_picture(digits: Images) -> None:
    noisy = Generation('x from w', digits, {'zero fill': digits, 'KL': digits}, digits)
    alone = pixels(figure5({'hmMNIST': halves(digits)}))
    both = pixels(figure5({'hmMNIST': halves(digits), 'nmMNIST(pi/4, 0.5)': [noisy]}))
    assert both.shape[0] > 1.8 * alone.shape[0]
    assert abs(both.shape[1] - alone.shape[1]) < 20
    # Two rows of bright ink at the left, and none at the right, where nothing was generated.
    middle = both.shape[1] // 2
    below = both[both.shape[0] // 2 + 40 :]
    assert (below[:, :middle] < 60).all(axis=2).sum() > 1000
    assert (below[:, middle + 20 :] < 60).all(axis=2).sum() == 0


def test_each_split_is_a_mean_over_seeds_by_the_recipe_nearest_to_the_full_one() -> None:
    results = [
        result(1, seed=0, x=85),
        result(1, seed=1, x=87),
        result(1, x=50, recipe='quick', epochs=5),
        result(2, x=60, recipe='quick', epochs=5),
        result(None, x=10),
        result(3, x=20, data='uw_rgbd'),
    ]
    found = _by_split(results, KL, 'x', [1, 2, 3])
    assert {split: (variant, point.mean) for split, (variant, point) in found.items()} == {
        1: (Variant('paper', 100), 86),
        2: (Variant('quick', 5), 60),
    }


def test_splits_are_drawn_for_both_models_or_for_the_one_that_was_measured() -> None:
    kl = [result(split, seed, x=80 + split + seed) for split in range(1, 11) for seed in (0, 1)]
    plain = [
        result(split, model='ss_hmvae', missing='zero fill', beta=None, w=41)
        for split in range(1, 11)
    ]
    both = figure6([*kl, *plain])
    assert count(both, BLUE) > 1000
    assert count(both, VERMILION) > 1000
    assert count(figure6([result(1, data='uw_rgbd')], 'uw_rgbd'), BLUE) > 100


def test_without_results_by_split_figure_6_says_what_to_run() -> None:
    with pytest.raises(TrainingError, match='Washington RGB-D yet; `train paper table5`'):
        figure6([result(None), result(1, data='uw_rgbd')])
