# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from training.paper.learners import LINEAR, SEMI_SUPERVISED
from training.paper.results import Result
from training.paper.tables import print_depth_encodings
from training.paper.tables.depth_encodings import lines


def result(data: str, w: float, split: int = 1, seed: int = 0, **fields: Any) -> Result:
    return Result.model_validate(
        {
            'commit': '',
            'machine': '',
            'device': 'cpu',
            'seconds': 1,
            'data': f'part, {data}',
            'model': LINEAR,
            'labels': '5%',
            'recipe': 'ours',
            'epochs': 0,
            'seed': seed,
            'split': split,
            'x': 50,
            'w': w,
            'xw': 50,
        }
        | fields
    )


def test_only_runs_that_every_form_has_are_compared() -> None:
    rows = [
        result('frozen squeezenet1_0', 60),
        result('frozen squeezenet1_0', 90, split=2),
        result('frozen squeezenet1_0', 0, split=3),  # the others lack it
        result('frozen squeezenet1_0, hha', 70),
        result('frozen squeezenet1_0, hha', 80, split=2),
        result('taught squeezenet1_0', 50),
        result('taught squeezenet1_0', 70, split=2),
        result('taught squeezenet1_0', 99, seed=1),
    ]
    (line,) = lines(rows)
    assert (line.data, line.labels, line.learner) == (
        'part, squeezenet1_0', '5%', 'linear classifier'
    )  # fmt: skip
    means = {cell: line.accuracy(cell, 'w') for cell in line.runs}
    assert {cell: (found.mean, found.runs) for cell, found in means.items() if found} == {
        ('jet', 'frozen'): (75, 2),
        ('hha', 'frozen'): (75, 2),
        ('jet', 'taught'): (60, 2),
    }


def test_calibration_errors_are_averaged_over_the_runs_that_are_compared() -> None:
    rows = [
        result('frozen squeezenet1_0', 60, ece_w=2),
        result('frozen squeezenet1_0', 60, split=2, ece_w=99),  # the other lacks it
        result('frozen squeezenet1_0, hha', 70),
    ]
    file = io.StringIO()
    print_depth_encodings(Console(file=file, width=80), rows)
    assert 'ECE 2.0' in file.getvalue()
    assert 'ECE 99' not in file.getvalue()


def test_what_was_measured_in_one_form_only_compares_nothing() -> None:
    semi = {'model': SEMI_SUPERVISED, 'a': 64, 'alpha': 30, 'beta': 1}
    rows = [
        result('frozen squeezenet1_0', 60),
        result('squeezenet1_0, hha', 60),  # fine-tuned
        result('frozen squeezenet1_0', 60, epochs=30, **semi),
        result('frozen squeezenet1_0, hha', 60, epochs=60, **semi),
    ]
    assert lines(rows) == []


def test_a_learners_recipes_are_kept_apart_and_named_where_there_are_several() -> None:
    semi = {'model': SEMI_SUPERVISED, 'a': 64, 'alpha': 30, 'beta': 1}
    one, other = (
        [result(f'{way} squeezenet1_0', 60, epochs=epochs, **semi) for way in ('frozen', 'taught')]
        for epochs in (30, 60)
    )
    assert [line.learner for line in lines(one)] == ['SS-HMVAE-kl']
    assert [line.learner for line in lines([*one, *other])] == [
        'SS-HMVAE-kl, a of 64, α 30, 30 epochs',
        'SS-HMVAE-kl, a of 64, α 30, 60 epochs',
    ]


def test_ones_own_recipe_is_another_learner() -> None:
    semi = {'model': SEMI_SUPERVISED, 'a': 64, 'alpha': 30, 'beta': 1, 'epochs': 30}
    rows = [
        result(f'{way} squeezenet1_0', w, recipe=recipe, **learner)
        for recipe, w in (('ours', 60), ('own-0123ab', 20))
        for way in ('frozen', 'taught')
        for learner in ({}, semi)
    ]
    found = {line.learner: line.accuracy(('jet', 'frozen'), 'w').mean for line in lines(rows)}  # type: ignore[union-attr]
    assert found == {
        'linear classifier': 60,
        'linear classifier, own-0123ab': 20,
        'SS-HMVAE-kl, a of 64, α 30, 30 epochs': 60,
        'SS-HMVAE-kl, own-0123ab, a of 64, α 30, 30 epochs': 20,
    }


def test_table_has_a_line_for_each_backbone_fewest_labels_first() -> None:
    forms = ('squeezenet1_0', 'squeezenet1_0, normals', 'squeezenet1_0, hha')
    rows = [
        result(f'{way} {form}', number * 10 + bool(way == 'taught'), labels=labels)
        for labels in ('5%', '2 a class')
        for way in ('frozen', 'taught')
        for number, form in enumerate(forms, start=1)
    ]
    file = io.StringIO()
    print_depth_encodings(Console(file=file, width=80), rows)
    found = [line.split() for line in file.getvalue().splitlines()]
    start = ['2', 'a', 'class', 'linear', 'classifier']
    first = [*start, 'frozen', '10.0', '20.0', '30.0', '1']
    assert [*start, 'taught', '11.0', '21.0', '31.0', '1'] in found
    assert found.index(first) < found.index(
        ['5%', 'linear', 'classifier', 'frozen', '10.0', '20.0', '30.0', '1']
    )
    file = io.StringIO()
    print_depth_encodings(Console(file=file), [])
    assert 'Nothing was measured yet' in file.getvalue()
