# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import pytest
from rich.console import Console

from training.paper.curves import draw_few_labels
from training.paper.learners import LABELLED_ONLY, LINEAR, SEMI_SUPERVISED
from training.paper.results import Result
from training.paper.tables import print_few_labels, print_table
from training.paper.tables.few_labels import sections
from training.paper.tables.spread import spread


def result(model: str, xw: float, split: int = 1, seed: int = 0, **fields: Any) -> Result:
    return Result.model_validate(
        {
            'commit': '',
            'machine': '',
            'device': 'cpu',
            'seconds': 1,
            'data': 'part, frozen squeezenet1_0',
            'model': model,
            'labels': '5%',
            'recipe': 'ours',
            'epochs': 0 if model == LINEAR else 60,
            'seed': seed,
            'split': split,
            'alpha': 30,
            'beta': 1,
            'x': 50,
            'w': 50,
            'xw': xw,
        }
        | fields
    )


def printed(results: list[Result]) -> str:
    file = io.StringIO()
    print_few_labels(Console(file=file, width=120), results)
    return file.getvalue()


def test_mean_is_over_splits_and_deviation_over_seeds() -> None:
    # Seed 0: 10 and 30, so 20; seed 1: 40 and 60, so 50. Deviation of 20 and 50: 30 / sqrt 2.
    found = spread({(0, 1): 10, (0, 2): 30, (1, 1): 40, (1, 2): 60})
    assert found is not None
    assert (found.mean, found.runs) == (35, 4)
    assert found.deviation == pytest.approx(30 / 2**0.5)
    assert spread({}) is None


def test_gain_compares_the_same_seed_on_the_same_split_only() -> None:
    rows = [
        result(LABELLED_ONLY, 60),
        result(SEMI_SUPERVISED, 70),
        result(LABELLED_ONLY, 10, split=2),  # its pair is missing
        result(SEMI_SUPERVISED, 99, seed=1),  # likewise
    ]
    (section,) = sections(rows)
    gain = section.gain('5%', 'xw')
    assert gain is not None
    assert (gain.mean, gain.runs) == (10, 1)
    assert section.gain('5%', 'xw', split=2) is None


def test_table_has_the_learners_by_labels_and_the_gain_of_each_split() -> None:
    both = {
        (LINEAR, 1): 90,
        (LINEAR, 2): 90,
        (LABELLED_ONLY, 1): 60,
        (LABELLED_ONLY, 2): 60,
        (SEMI_SUPERVISED, 1): 72,
        (SEMI_SUPERVISED, 2): 58,
    }
    rows = [
        result(model, xw + seed, split, seed, labels=labels)
        for labels in ('5%', '2 a class')
        for seed in (0, 1)
        for (model, split), xw in both.items()
    ]
    text = printed(rows)
    assert text.index('2 a class') < text.index('5%')
    assert '90.5 ±0.7 (4)' in text
    assert '65.5 ±0.7 (4)' in text
    lines = [line.split() for line in text.splitlines()]
    assert ['5%', '1', '0.0', '±0.0', '(2)', '0.0', '±0.0', '(2)', '+12.0', '±0.0', '(2)'] in lines
    assert ['5%', '2', '0.0', '±0.0', '(2)', '0.0', '±0.0', '(2)', '-2.0', '±0.0', '(2)'] in lines


def test_calibration_errors_stand_under_the_accuracies_where_they_were_measured() -> None:
    rows = [result(LINEAR, 90), result(SEMI_SUPERVISED, 72, ece_x=4, ece_xw=7)]
    rows.append(result(SEMI_SUPERVISED, 72, seed=1, ece_x=5, ece_xw=8))
    lines = [line.split() for line in printed(rows).splitlines()]
    assert [line for line in lines if line[:1] == ['ECE']] == [['ECE', '4.5', 'ECE', '7.5']]


def test_newest_run_counts_and_recipes_are_kept_apart() -> None:
    early, late = (datetime(2026, 1, day, tzinfo=timezone.utc) for day in (1, 2))
    rows = [
        result(SEMI_SUPERVISED, 80, time=late),
        result(SEMI_SUPERVISED, 20, time=early),
        result(SEMI_SUPERVISED, 10, recipe='quick'),
        result(LINEAR, 90),
    ]
    found = sections(rows)
    assert [section.recipe for section in found] == [
        'ours (60 epochs), α 30, β 1',
        'quick (60 epochs), α 30, β 1',
    ]
    assert [section.accuracy('5%', SEMI_SUPERVISED, 'xw').mean for section in found] == [80, 10]  # type: ignore[union-attr]
    assert all(section.accuracy('5%', LINEAR, 'xw').mean == 90 for section in found)  # type: ignore[union-attr]


def test_linear_classifiers_of_ones_own_recipe_stand_beside_it_alone() -> None:
    rows = [
        result(SEMI_SUPERVISED, 80),
        result(SEMI_SUPERVISED, 10, recipe='own-0123ab'),
        result(LINEAR, 90),
        result(LINEAR, 20, recipe='own-0123ab'),
    ]
    found = {section.recipe: section for section in sections(rows)}
    linear = {name: each.accuracy('5%', LINEAR, 'xw').mean for name, each in found.items()}  # type: ignore[union-attr]
    assert linear == {
        'ours (60 epochs), α 30, β 1': 90,
        'own-0123ab (60 epochs), α 30, β 1': 20,
    }


def test_recipes_that_differ_in_a_alone_are_kept_apart() -> None:
    narrow = [result(LABELLED_ONLY, 60, a=64), result(SEMI_SUPERVISED, 70, a=64)]
    wide = result(SEMI_SUPERVISED, 20, a=128)  # as depth_encodings leaves: nothing to compare with
    (section,) = sections([*narrow, wide])
    assert section.recipe == 'ours (60 epochs), α 30, β 1'
    assert section.accuracy('5%', SEMI_SUPERVISED, 'xw').mean == 70  # type: ignore[union-attr]
    found = sections([*narrow, wide, result(LABELLED_ONLY, 10, a=128)])
    assert [section.recipe for section in found] == [
        'ours (60 epochs), α 30, β 1, a of 64',
        'ours (60 epochs), α 30, β 1, a of 128',
    ]
    gains = [section.gain('5%', 'xw') for section in found]
    assert [gain.mean for gain in gains if gain] == [10, 10]


def test_frozen_backbones_stand_in_no_other_table() -> None:
    file = io.StringIO()
    print_table(Console(file=file, width=120), 'table5', [result(SEMI_SUPERVISED, 12.3)])
    assert '12.3' not in file.getvalue()


def test_nothing_measured_says_how_to() -> None:
    assert 'train paper few_labels --washington PATH' in printed([])


def test_curves_are_one_picture_a_section(tmp_path: Path) -> None:
    rows = [result(m, 50, labels=n) for m in (LINEAR, SEMI_SUPERVISED) for n in ('5%', '1 a class')]
    (path,) = draw_few_labels(rows, tmp_path / 'pictures')
    assert path.name == 'few_labels_part_frozen_squeezenet1_0_ours_60_epochs_30_1.png'
    picture = cv2.imread(str(path))
    blue, vermilion = (int((picture == c).all(2).sum()) for c in ((178, 114, 0), (0, 94, 213)))
    assert blue > 100
    assert vermilion == 0  # nobody learned from labelled frames only
