# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from mm_perception.errors import SettingsError
from training.paper.published import TABLES
from training.paper.results import Result
from training.paper.tables import print_table

HALVES = 'hmMNIST'
GREEN, RED = '\x1b[32m', '\x1b[31m'


def result(seed: int = 0, **fields: Any) -> Result:
    """Give a run of table 4's SS-HMVAE-kl, beta 0.1, on halves by the full recipe."""
    return Result.model_validate(
        {
            'time': datetime(2026, 7, 1, tzinfo=timezone.utc),
            'commit': '0123456789ab',
            'machine': 'a processor, 2 threads',
            'device': 'cpu',
            'seconds': 600,
            'data': HALVES,
            'model': 'ss_hmvae_kl',
            'missing': 'kl',
            'labels': '100',
            'a': 128,
            'alpha': 1,
            'beta': 0.1,
            'recipe': 'paper',
            'epochs': 500,
            'seed': seed,
            'x': 91,
            'w': 91,
            'xw': 94,
        }
        | fields
    )


def printed(number: str, results: list[Result], width: int = 120, colour: bool = False) -> str:
    file = io.StringIO()
    system = 'standard' if colour else None
    print_table(
        Console(file=file, width=width, force_terminal=colour, color_system=system),  # type: ignore[arg-type]
        number,
        results,
    )
    return file.getvalue()


def line(text: str, start: str) -> str:
    """Give the first line that starts so, its blanks as one."""
    return ' '.join(next(each for each in text.splitlines() if each.startswith(start)).split())


def test_a_cell_has_the_published_figure_and_our_mean_deviation_and_runs() -> None:
    results = [
        result(seed, x=x, ece_x=ece)
        for seed, x, ece in ((0, 90.9, 1.0), (1, 91.2, 2.0), (2, 91.5, 3.6))
    ]
    text = line(printed('table4', results), 'SS-HMVAE-kl β = 0.1')
    assert '90.75 | 91.2 ±0.3 (3)' in text
    assert text.endswith('94.12 | 94.0 ±0.0 (3) 2.2/—/—')


def test_a_single_run_has_no_deviation_and_none_a_dash() -> None:
    text = printed('table4', [result()])
    assert '90.75 | 91.0 (1)' in line(text, 'SS-HMVAE-kl β = 0.1')
    assert '90.42 | —' in line(text, 'SS-HMVAE-kl β = 1 ')


def test_ours_is_green_down_to_half_a_per_cent_below_the_published_and_red_under_that() -> None:
    text = printed('table4', [result(x=90.25, w=90.88, xw=94.12)], colour=True)
    assert f'{GREEN}90.2 (1)' in text
    assert f'{RED}90.9 (1) ↓' in text  # 91.39 - 0.5 = 90.89
    assert f'{GREEN}94.1 (1)' in text


def test_a_line_of_our_own_recipe_stands_beside_the_best_published_without_a_margin() -> None:
    own = {'recipe': 'ours', 'epochs': 200, 'beta': 0.5}
    text = printed('table4', [result(x=90.75, w=91.38, xw=96.5, **own)], colour=True)
    found = next(each for each in text.splitlines() if 'SS-HMVAE-kl, ours' in each)
    assert f'90.75 | {GREEN}90.8 (1)' in found
    assert f'91.39 | {RED}91.4 (1) ↓' in found
    assert f'96.32 | {GREEN}96.5 (1)' in found
    assert '(200 epochs)' in text
    assert '90.75 | —' in text  # our recipe is not the paper's


def test_a_users_own_recipes_are_lines_of_their_own_beside_the_best_published() -> None:
    own = {'beta': 0.5, 'epochs': 3}
    files = ('own-0000aa', 'own-0000bb')
    text = printed('table4', [result(x=50, recipe=recipe, **own) for recipe in files])
    for recipe in files:
        assert '90.75 | 50.0 (1) ↓' in line(text, f'SS-HMVAE-kl, {recipe}')
    assert "Own: the file of --recipe, and its settings' fingerprint." in ' '.join(text.split())


def test_own_recipes_that_differ_in_beta_are_lines_of_their_own() -> None:
    own = {'recipe': 'ours', 'epochs': 200}
    text = printed('table4', [result(beta=0.5, **own), result(beta=2, **own)])
    assert 'β = 0.5, ours' in text
    assert 'β = 2, ours' in text


def test_own_recipes_are_printed_whatever_the_classifiers_weight() -> None:
    own = {'recipe': 'own-0000aa', 'epochs': 3, 'alpha': 10}
    text = printed('table4', [result(x=50, **own)])
    assert '90.75 | 50.0 (1) ↓' in line(text, 'SS-HMVAE-kl, own-0000aa')
    both = printed('table4', [result(x=50, **own), result(x=40, **own | {'alpha': 1})])
    assert '90.75 | 50.0 (1) ↓' in line(both, 'SS-HMVAE-kl, a of 128, α = 10, β = 0.1')
    assert '90.75 | 40.0 (1) ↓' in line(both, 'SS-HMVAE-kl, a of 128, β = 0.1')


def test_another_recipe_is_a_marked_line_under_the_full_one() -> None:
    shorter = {'recipe': 'shortened', 'epochs': 60}
    text = printed('table4', [result(), result(x=90.0, **shorter), result(1, x=90.2, **shorter)])
    assert '90.75 | 91.0 (1)' in line(text, 'SS-HMVAE-kl β = 0.1')
    assert line(text, '  shortened (60 epochs)').startswith('shortened (60 epochs) 90.1 ±0.1 (2) ↓')
    assert "Shortened: the paper's recipe with fewer epochs, or another backbone." in ' '.join(
        text.split()
    )


def test_where_the_full_recipe_is_missing_the_nearest_one_stands_beside_the_published() -> None:
    text = printed('table4', [result(recipe='quick', epochs=8), result(recipe='quick', epochs=2)])
    assert '90.75 | 91.0 (1)' in line(text, 'SS-HMVAE-kl β = 0.1')
    lines = text.splitlines()
    first = next(i for i, each in enumerate(lines) if each.startswith('SS-HMVAE-kl β = 0.1'))
    assert lines[first + 1].strip() == 'quick (8 epochs)'
    assert lines[first + 2].split()[:3] == ['quick', '(2', 'epochs)']


def test_the_newest_run_of_a_seed_counts_whatever_the_order() -> None:
    later = result(x=95, time=datetime(2026, 8, 1, tzinfo=timezone.utc))
    assert '90.75 | 95.0 (1)' in printed('table4', [later, result()])


@pytest.mark.parametrize(
    'other',
    [
        {'alpha': 0.1},  # figure 4's
        {'a': 64},  # table 3's
        {'labels': '300'},
        {'beta': 10},
        {'data': 'nmMNIST(pi/3, 0.3)'},
        {'model': 'ss_hmvae'},
        {'missing': 'zero fill'},
    ],
)
def test_what_was_measured_of_something_else_stays_out(other: dict[str, Any]) -> None:
    text = printed('table4', [result(x=91.0, w=None, xw=None, **other)])
    assert '90.75 | —' in line(text, 'SS-HMVAE-kl β = 0.1')


def test_both_modalities_given_count_however_a_missing_one_is_met() -> None:
    run = {'model': 'ss_hmvae', 'beta': None, 'x': 40, 'w': 50, 'xw': 96.4}
    text = printed('table1', [result(missing=how, **run) for how in ('zero fill', 'iterative')])
    assert '96.32 | 96.4 (1)' in text


def test_table_3_is_by_the_dimension_of_a() -> None:
    run = {'data': 'nmMNIST(pi/4, 0.5)', 'model': 'ss_hmvae', 'missing': 'zero fill', 'beta': None}
    text = printed('table3', [result(a=32, xw=92.5, **run), result(a=2, xw=40, **run)])
    assert '38.31 | 40.0 (1) 92.68 | 92.5 (1) 90.80 | — 93.71 | —' in line(text, 'SS-HMVAE')
    assert 'probably swapped' in text


def test_splits_and_seeds_are_runs_and_what_the_paper_quotes_has_no_dash() -> None:
    run = {'data': 'Washington RGB-D', 'labels': '5%', 'a': 1024, 'beta': 1, 'epochs': 100}
    results = [result(s, split=i, x=80 + i, **run) for s in (0, 1) for i in range(1, 11)]
    text = printed('table5', results)
    assert '86.8 ±2.2 | 85.5 ±2.9 (20)' in line(text, 'SS-HMVAE-kl')
    assert line(text, 'CT+SVM') == 'CT+SVM 78.7 75.4 83.7'


def test_single_modality_models_are_averaged_column_by_column() -> None:
    run = {'data': 'Washington RGB-D', 'labels': '5%', 'model': 'm2', 'missing': '', 'beta': None}
    run |= {'a': None}
    results = [
        result(split=1, **run | {'x': 86, 'w': None, 'xw': None}),
        result(
            split=1, time=datetime(2026, 7, 2, tzinfo=timezone.utc), **run | {'x': None, 'xw': None}
        ),
    ]
    assert '85.6 ±1.6 | 86.0 (1) 72.0 ±1.7 | 91.0 (1) —' in line(printed('table5', results), 'M2')


def test_flickr_is_average_precision_in_per_cent() -> None:
    run = {'data': 'MIR Flickr', 'model': 'mvae', 'missing': 'zero fill', 'metric': 'lrap'}
    text = printed('flickr', [result(xw=62, x=45.4, labels='all', a=None, beta=None, **run)])
    assert '61.8 | 62.0 (1)' in line(text, 'MVAE')
    assert 'Label-ranking average precision in %' in text
    assert 'ECE' not in text  # of 38 labels at once there is none


def test_a_model_that_the_paper_has_not_on_flickr_is_a_line_of_ours() -> None:
    run = {'data': 'MIR Flickr', 'model': 'jmvae_kl', 'metric': 'lrap', 'labels': 'all', 'a': None}
    text = printed('flickr', [result(x=53, w=None, xw=61.9, split=1, **run)])
    assert line(text, 'JMVAE-kl, ours') == 'JMVAE-kl, ours 51.7 | 53.0 (1) — 61.8 | 61.9 (1)'


@pytest.mark.parametrize('folder', ['uw_rgbd', 'fruit'])
@pytest.mark.parametrize(('number', 'labels'), [('table5', '5%'), ('table6', 'all')])
def test_the_washington_subset_is_a_table_of_its_own_that_compares_nothing(
    folder: str, number: str, labels: str
) -> None:
    text = printed(number, [result(data=folder, labels=labels, x=81.25)])
    published, other = text.split(f"{folder}: another, smaller data set than the paper's")
    assert '81.2' not in published
    assert line(other, 'SS-HMVAE-kl').startswith(f'SS-HMVAE-kl, {labels} 81.2 (1) 91.0 (1)')
    assert '|' not in other
    others = 'table6' if number == 'table5' else 'table5'
    assert folder not in printed(others, [result(data=folder, labels=labels)])


@pytest.mark.parametrize('way', ['frozen', 'taught'])
def test_what_other_experiments_measured_is_in_their_tables_alone(way: str) -> None:
    assert way not in printed('table5', [result(data=f'uw_rgbd, {way} vgg16', labels='5%')])


def test_the_caption_counts_what_is_missing_and_says_how_to_run_it() -> None:
    text = ' '.join(printed('table4', [result()]).split())
    assert 'has not measured 33 of 36 figures: `train paper table4 --mnist PATH` does' in text
    assert 'Nothing was measured yet' in printed('table4', [])
    everything = [
        result(
            data=entry.data,
            model=entry.model,
            missing=entry.missing,
            labels=entry.labels,
            a=entry.a,
            beta=entry.beta,
        )
        for entry in TABLES['table4'].entries
    ]
    assert 'has not measured' not in printed('table4', everything)


def test_an_unknown_table_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SettingsError, match=r'table7: no such table; there are table1, .*flickr'):
        printed('table7', [])


_SOME = [
    (entry, recipe)
    for table in TABLES.values()
    for entry in table.entries
    if entry.model
    for recipe in (
        ('paper', 500),
        ('shortened', 60),
        ('longer', 900),
        ('quick', 8),
        ('ours', 200),
        ('own-0123ab', 9),
    )
]


@settings(max_examples=40)
@given(
    st.sampled_from(list(TABLES)),
    st.integers(80, 160),
    st.lists(st.tuples(st.sampled_from(_SOME), st.integers(0, 2), st.floats(0, 100)), max_size=60),
)
def test_every_published_figure_can_be_read_on_every_screen_of_80_columns_or_more(
    number: str, width: int, runs: list[tuple[Any, int, float]]
) -> None:
    results = [
        result(
            seed,
            data=entry.data,
            model=entry.model,
            missing=entry.missing,
            labels=entry.labels,
            a=entry.a,
            beta=entry.beta,
            recipe=recipe,
            epochs=epochs,
            metric='lrap' if number == 'flickr' else 'accuracy',
            xw=value,
            ece_xw=value,
        )
        for (entry, (recipe, epochs)), seed, value in runs
    ]
    text = printed(number, results, width)
    assert max(map(len, text.splitlines())) <= width
    assert '…' not in text
    decimals = 1 if number in {'table5', 'table6', 'flickr'} else 2
    for entry in TABLES[number].entries:
        for figure in (entry.x, entry.w, entry.xw):
            assert figure is None or f'{figure.mean:.{decimals}f}' in text
