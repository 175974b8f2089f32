# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Real processes that share a fit; that torchrun starts them is told in test_torchrun.py."""

from __future__ import annotations

from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from fits import fit_all, recipe
from safetensors.torch import load_file

from mm_perception.errors import TrainingError
from training.fitting.distributed import Ranks
from training.recipe import Recipe

CASES = [
    (11, recipe(batch_size=17, epochs=1)),  # shares of different sizes
    (60, recipe(epochs=1)),  # nothing without a label
    (11, recipe({'gamma': 1.0, 'threshold': 0.3, 'stop_gradient': True}, epochs=1)),
    (11, recipe({'label_inference': 'local_expectation'}, epochs=1)),
    (11, recipe({'label_inference': 'sum'})),
    (12, recipe()),
    (11, recipe({'name': 'sdgm'})),
    (11, recipe({'name': 'ss_mvae'})),
    (11, recipe({'name': 'm2'})),
]
Case = tuple[int, Recipe]


def shared_out(folder: Path, cases: list[Case], size: int) -> None:
    """Have processes of their own fit all cases together."""
    folder.mkdir()
    context = get_context('forkserver')
    context.set_forkserver_preload(['training.fitting.fit'])  # all that takes time to import
    processes = [
        context.Process(target=fit_all, args=(folder, cases, Ranks(rank, size)))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(150)
        process.kill()
    assert [process.exitcode for process in processes] == [0] * size


@pytest.mark.parametrize(
    ('size', 'cases'),
    [
        (3, [CASES[0], CASES[3]]),
        *(pytest.param(n, CASES, marks=pytest.mark.long) for n in (2, 3, 4)),
    ],
)
def test_any_number_of_processes_makes_the_same_model(
    tmp_path: Path, size: int, cases: list[Case]
) -> None:
    folders = tmp_path / 'one', tmp_path / 'many'
    shared_out(folders[0], cases, 1)
    shared_out(folders[1], cases, size)
    for number, case in enumerate(cases):
        one, other = (load_file(folder / f'{number}.safetensors') for folder in folders)
        for name in one:
            torch.testing.assert_close(
                other[name], one[name], rtol=1e-9, atol=1e-9, msg=lambda m, c=case: f'{c}: {m}'
            )


def test_more_processes_than_labelled_frames_are_refused() -> None:
    with pytest.raises(TrainingError, match=r'3 labelled frames a step.* 4 processes; start fewer'):
        Ranks(1, 4).shared(lambda: None, 3, 16)


def test_shares_are_all_there_is_and_nothing_twice() -> None:
    for size in range(1, 6):
        ranks = [Ranks(rank, size) for rank in range(size)]
        for count in range(20):
            things = list(range(count))
            assert [x for rank in ranks for x in things[rank.slice(count)]] == things
            assert sorted(x for rank in ranks for x in rank.share(things)) == things
            shares = [len(things[rank.slice(count)]) for rank in ranks]
            assert max(shares) - min(shares) <= 1
