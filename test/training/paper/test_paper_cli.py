# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``train paper`` as a user meets it: what it prints, keeps, and says of bad input."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from training.cli import main
from training.paper.results import read

Paper = Callable[..., int]

TINY = """\
name: own
hidden: 16
unlabelled: 128
test: 50
optimisation: {epochs: 1, batch_size: 64, learning_rate: 1.0e-3}
"""


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Paper:
    """Run ``train paper …`` in an empty folder and give its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('COLUMNS', '160')

    def run(*words: object) -> int:
        monkeypatch.setattr(sys, 'argv', ['train', 'paper', *map(str, words)])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@pytest.mark.parametrize('name', ['table1', 'table2', 'table3', 'table4', 'table5', 'table6'])
def test_show_prints_the_published_table_without_any_data(
    paper: Paper, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    published = {
        'table1': '96.32',
        'table2': '70.68',
        'table3': '92.68',
        'table4': '90.75',
        'table5': '86.8',
        'table6': '82.4',
    }
    assert paper(name, '--show') == 0
    assert published[name] in capsys.readouterr().out


def test_a_row_is_measured_once_and_printed(
    paper: Paper, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mnist, recipe = (shared_data / 'mnist.npz').resolve(), tmp_path / 'tiny.yaml'
    recipe.write_text(TINY)
    words = ('table4', '--mnist', mnist, '--recipe', recipe, '--only', 'hmMNIST', '--only', 'hmvae')
    assert paper(*words, '--device', 'cpu') == 0
    first = capsys.readouterr().out
    rows = read(tmp_path / '.paper' / 'results.csv')
    ways = ['zero fill', 'iterative', 'kl', 'kl', 'kl']
    assert [row.missing for row in rows] == ways
    assert f'{rows[0].x:.2f} %' in first
    assert '90.75' in first  # the table, with the published figure
    assert paper(*words, '--device', 'cpu') == 0
    assert read(tmp_path / '.paper' / 'results.csv') == rows


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (['table4'], 'table4: give the data with --mnist'),
        (['table5'], 'table5: give the data with --washington'),
        (['few_labels'], 'few_labels: give the data with --washington'),
        (['few_labels', '--washington', 'none'], 'none: there is no such folder'),
        (['depth_encodings'], 'depth_encodings: give the data with --washington'),
        (['table5', '--set', 'seed=1'], '--set: not for table5, which takes --washington, --quick'),
        (['flickr', '--flickr', 'none', '--only', 'mae'], '--only: not for flickr'),
        (['table4', '--mnist', 'none.npz', '--split', '1'], '--split: not for table4'),
        (['figure5', '--mnist', 'none.npz', '--seeds', '3'], '--seeds: not for figure5'),
        (['figure6', '--quick', '--seeds', '2'], '--quick, --seeds: figure6 draws what there is'),
        (['figure6', '--washington', 'none'], 'measure that with `train paper table5`'),
        (['flickr'], 'flickr: give the data with --flickr'),
        (['table4', '--mnist', 'none.npz'], 'none.npz: no such file'),
        (['table4', '--mnist', 'none.npz', '--only', 'nothing'], '--only nothing: not in table4'),
        (['table1', '--recipe', 'ours'], 'trains what table1 has no row for; take table4'),
        (['table4', '--quick', '--recipe', 'ours'], '--quick: is a recipe'),
        (['table5', '--recipe', 'ours'], '--recipe ours: is for digits'),
        (['figure4', '--show'], '--show: no .paper/figure4.png yet'),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    paper: Paper, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert paper(*words) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count('\n') == 1


def test_a_torn_last_line_costs_that_line_only(
    paper: Paper,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    shipped = Path(sys.modules['training.paper.results'].__file__ or '').with_name('results.csv')
    whole = shipped.read_text().splitlines(keepends=True)
    results = tmp_path / 'results.csv'
    results.write_text(''.join(whole[:2]) + whole[2][:30])
    assert paper('table4', '--show', '--results', results) == 0
    assert f'{results}, line 3: torn' in caplog.text
    assert '90.75' in capsys.readouterr().out
