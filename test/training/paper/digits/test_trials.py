# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every cell of the papers' tables on digits has a trial that fills it."""

from __future__ import annotations

import pytest

from mm_perception.errors import SettingsError
from training.paper.digits.pairs import PAIRS
from training.paper.digits.trials import TRIALS, chosen, trials_of
from training.paper.published import HALVES, NOISY
from training.paper.results import Result


def test_each_table_trains_as_many_models_as_it_has_cells() -> None:
    assert {name: len(trials) for name, trials in TRIALS.items()} == {
        'table1': 4 * 2 * 4,  # data × model × number of labels
        'table2': 2 * 3,
        'table3': 4,
        'table4': 2 * (1 + 1 + 3),  # zero fill and iterative are one SS-HMVAE
        'figure4': 3,  # weights of the classifier
        'figure5': 2 * 2,
    }


def test_table_4_meets_a_missing_modality_in_each_of_the_papers_ways() -> None:
    rows = [
        (trial.data, trial.model, missing)
        for trial in TRIALS['table4']
        for missing in trial.missing
    ]
    for data in (HALVES, NOISY[1]):
        assert (data, 'ss_mvae', 'zero fill') in rows
        assert (data, 'ss_hmvae', 'zero fill') in rows
        assert (data, 'ss_hmvae', 'iterative') in rows
        assert rows.count((data, 'ss_hmvae_kl', 'kl')) == 3  # β = 0.1, 1 and 10


def test_every_trial_is_on_a_known_set_and_has_a_title_of_its_own() -> None:
    for trials in TRIALS.values():
        assert {trial.data for trial in trials} <= set(PAIRS)
        assert len({trial.title for trial in trials}) == len(trials)


def test_a_result_belongs_to_its_trial_and_to_no_other_of_its_table() -> None:
    for trials in TRIALS.values():
        for trial in trials:
            result = Result(
                commit='',
                machine='',
                device='cpu',
                seconds=1,
                data=trial.data,
                model=trial.model,
                labels=str(trial.labels or 'all'),
                a=trial.a if trial.hierarchical else None,
                alpha=trial.alpha,
                beta=trial.beta if trial.model == 'ss_hmvae_kl' else None,
                recipe='paper',
                epochs=500,
                seed=0,
                xw=90,
            )
            assert [other for other in trials if other.made(result)] == [trial]


def test_a_recipe_can_train_one_model_in_every_row_once() -> None:
    trials = trials_of('table4', {'model': 'ss_hmvae_kl', 'beta': 1.0})
    assert [(t.data, t.model, t.beta) for t in trials] == [
        (HALVES, 'ss_hmvae_kl', 1.0),
        (NOISY[1], 'ss_hmvae_kl', 1.0),
    ]
    assert trials_of('table4', {}) == list(TRIALS['table4'])
    with pytest.raises(SettingsError, match=r'trial\.depth'):
        trials_of('table4', {'depth': 3})


def test_words_choose_rows_and_a_whole_item_is_taken_as_such() -> None:
    table = TRIALS['table4']
    assert [t.beta for t in chosen(table, ['hmMNIST', 'beta 1'])] == [1.0]
    assert [t.model for t in chosen(table, ['hmMNIST', 'ss_hmvae'])] == ['ss_hmvae']
    assert len(chosen(table, ['nmMNIST', 'hmvae'])) == 4  # no whole item: any part of the title
    assert chosen(table, []) == list(table)
    assert not chosen(table, ['beta 2'])
