# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import multiprocessing
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mm_perception.errors import TrainingError
from training.paper import provenance as provenance_module
from training.paper.provenance import provenance
from training.paper.results import COLUMNS, Result, append, read

RESULT = Result(
    time=datetime(2026, 7, 1, 12, tzinfo=timezone.utc),
    commit='0123456789ab',
    machine='Intel(R) Xeon(R) Processor @ 2.50GHz, 2 threads',
    device='cpu',
    seconds=612.4,
    data='nmMNIST(pi/4, 0.5)',
    model='ss_hmvae_kl',
    missing='kl',
    labels='100',
    a=128,
    alpha=1,
    beta=0.1,
    recipe='paper',
    epochs=500,
    seed=1,
    x=89.5,
    w=84.18,
    xw=90.21,
    ece_x=3.1,
    ece_w=4.25,
    ece_xw=2.0,
)

_texts = st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\r\n\0'), max_size=9)
_names = _texts.filter(len)
_percents = st.none() | st.floats(0, 100)
_weights = st.none() | st.floats(0, allow_infinity=False)
_results = st.builds(
    Result,
    time=st.datetimes(datetime(2001, 1, 1), datetime(2900, 1, 1), timezones=st.just(timezone.utc)),  # noqa: DTZ001 - hypothesis adds the zone
    commit=_texts,
    machine=_texts,
    device=_names,
    seconds=st.floats(0, allow_infinity=False),
    data=_names,
    model=_names,
    missing=st.sampled_from(['', 'zero fill', 'iterative', 'kl']),
    labels=_names,
    a=st.none() | st.integers(1),
    alpha=_weights,
    beta=_weights,
    recipe=st.sampled_from(['paper', 'shortened', 'longer', 'quick', 'ours', 'own-0123ab']),
    epochs=st.integers(0),
    seed=st.integers(),
    split=st.none() | st.integers(1, 10),
    metric=st.sampled_from(['accuracy', 'lrap']),
    x=_percents,
    w=_percents,
    xw=st.floats(0, 100),
    ece_x=_percents,
    ece_w=_percents,
    ece_xw=_percents,
)


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a path of a file that is not there yet, anew for each of hypothesis's examples."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / 'results.csv'


@settings(max_examples=30)
@given(st.lists(_results, max_size=3))
def test_what_is_appended_is_read_back(results: list[Result]) -> None:
    with scratch() as path:
        for each in results:
            append(path, each)
        assert read(path) == results


@settings(max_examples=40)
@given(st.lists(_results, min_size=1, max_size=3), _results, st.data())
def test_a_file_cut_at_any_byte_loses_its_last_row_at_most(
    results: list[Result], later: Result, data: st.DataObject
) -> None:
    with scratch() as path:
        for each in results:
            append(path, each)
        content = path.read_bytes()
        ends = [i + 1 for i, byte in enumerate(content) if byte == ord('\n')]
        cut = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:cut])
        kept = results[: max(sum(end <= cut for end in ends) - 1, 0)]
        assert read(path) == kept

        append(path, later)

        assert read(path) == [*kept, later]
        torn = content[max([0, *(end for end in ends if end <= cut)]) : cut]
        aside = path.with_name('results.csv.torn')
        assert (aside.read_bytes() if aside.exists() else b'') == (torn and torn + b'\n')


def test_a_torn_last_line_is_skipped_with_one_warning_naming_file_and_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / 'results.csv'
    append(path, RESULT)
    append(path, RESULT)
    path.write_bytes(path.read_bytes()[:-30])
    with caplog.at_level(logging.WARNING):
        assert read(path) == [RESULT]
    assert [record.message for record in caplog.records] == [
        f'{path}, line 3: torn, its run was interrupted; skipped'
    ]
    caplog.clear()
    append(path, RESULT)
    assert [record.message for record in caplog.records] == [
        f'{path}: its last line was torn by an interruption; moved to {path}.torn'
    ]


def test_a_last_line_with_too_few_columns_is_torn_though_it_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / 'results.csv'
    append(path, RESULT)
    with path.open('a') as file:
        file.write('2026-07-01T12:00:00Z,0123\n')
    assert read(path) == [RESULT]
    append(path, RESULT)
    assert read(path) == [RESULT, RESULT]
    assert (tmp_path / 'results.csv.torn').read_text() == '2026-07-01T12:00:00Z,0123\n'


def test_several_torn_lines_are_all_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / 'results.csv'
    for torn in ('one', 'two'):
        append(path, RESULT)
        with path.open('a') as file:
            file.write(torn)
    append(path, RESULT)
    assert (tmp_path / 'results.csv.torn').read_text() == 'one\ntwo\n'
    assert read(path) == [RESULT] * 3


@pytest.mark.parametrize(
    ('old', 'new', 'named'),
    [
        ('90.21', '9l.2', 'column xw'),
        ('90.21', '190.21', 'column xw'),
        ('90.21', 'nan', 'column xw'),
        (',paper,', ',full,', 'column recipe'),
        (',500,', ',,', 'column epochs'),
        ('89.5,84.18,90.21', ',,', 'has to be measured'),
        ('2026-07', '2026-17', 'column time'),
        ('2026-07', '1970-07', 'column time'),
        (',ss_hmvae_kl', '', 'column 23'),
        (',ss_hmvae_kl', ',ss,hmvae,kl', 'column 24'),
        ('ss_hmvae_kl', 'ss\udcff', 'column model: not UTF-8'),
    ],
)
def test_any_other_bad_line_is_refused_with_file_line_and_column(
    tmp_path: Path, old: str, new: str, named: str
) -> None:
    path = tmp_path / 'results.csv'
    append(path, RESULT)
    line = path.read_text().splitlines()[1]
    append(path, RESULT)
    bad = line.replace(old, new)
    assert bad != line
    content = path.read_text().replace(line, bad, 1)
    path.write_bytes(content.encode(errors='surrogateescape'))
    with pytest.raises(TrainingError, match='correct the line, or take it out') as caught:
        read(path)
    assert f'{path}, line 2' in str(caught.value)
    assert named in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('header', 'named'),
    [
        ('bag,start,end,label', 'column 1'),
        (','.join(COLUMNS).replace('beta', 'gamma'), "column 12: the header has 'gamma'"),
        (','.join(COLUMNS[:-1]), "in place of 'ece_xw'"),
        (','.join([*COLUMNS, 'note']), "has 'note'"),
        ('', 'column 1'),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(
    tmp_path: Path, header: str, named: str
) -> None:
    path = tmp_path / 'results.csv'
    path.write_text(f'{header}\n1,2,3\n')
    with pytest.raises(TrainingError, match='line 1, column') as caught:
        read(path)
    assert named in str(caught.value)
    with pytest.raises(TrainingError, match='add it by hand') as caught:
        append(path, RESULT)
    assert '2026-07-01T12:00:00Z,0123456789ab' in str(caught.value)  # the run is not lost
    assert path.read_text() == f'{header}\n1,2,3\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_note_without_a_line_end_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / 'results.csv'
    path.write_text('to do: buy milk')
    with pytest.raises(TrainingError, match='line 1, column 1'):
        append(path, RESULT)
    assert path.read_text() == 'to do: buy milk'


def test_a_place_that_cannot_be_written_gives_the_row_back(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r'by hand: 2026-07-01T12:00:00Z.*Is a directory'):
        append(tmp_path, RESULT)
    with pytest.raises(TrainingError, match='cannot be read'):
        read(tmp_path)


def test_no_room_for_the_row_gives_it_back_and_the_next_run_mends_the_file(tmp_path: Path) -> None:
    path = tmp_path / 'results.csv'
    append(path, RESULT)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(TrainingError, match=r'2026-07-01T12:00:00Z.*No space left') as caught:
            append(path, RESULT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert 'ss_hmvae_kl' in str(caught.value)
    append(path, RESULT)
    assert read(path) == [RESULT, RESULT]


def test_lines_ended_by_a_spreadsheet_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'results.csv'
    append(path, RESULT)
    path.write_bytes(path.read_bytes().replace(b'\n', b'\r\n'))
    append(path, RESULT)
    assert read(path) == [RESULT, RESULT]


def test_no_file_yet_is_no_results(tmp_path: Path) -> None:
    assert read(tmp_path / 'results.csv') == []


def test_a_result_is_one_line_of_text_and_measures_something() -> None:
    fields = RESULT.model_dump()
    for bad in ({'data': 'a\nb'}, {'machine': 'a\r'}, {'x': None, 'w': None, 'xw': None}):
        with pytest.raises(ValidationError):
            Result(**fields | bad)
    assert Result(**fields | {'x': 12.345678}).x == 12.3457
    tokyo = datetime(2026, 7, 1, 21, tzinfo=timezone(timedelta(hours=9)))
    assert Result(**fields | {'time': tokyo}) == RESULT


def _append_some(path: Path, seed: int) -> None:
    for _ in range(25):
        append(path, RESULT.model_copy(update={'seed': seed}))


def test_processes_that_append_at_once_lose_no_row(tmp_path: Path) -> None:
    path = tmp_path / 'results.csv'
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=_append_some, args=(path, seed)) for seed in range(4)]
    for each in processes:
        each.start()
    for each in processes:
        each.join()
    assert sorted(each.seed for each in read(path)) == [
        seed for seed in range(4) for _ in range(25)
    ]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a repository that holds this module, as a clone does."""
    module = tmp_path / 'training' / 'paper' / 'provenance.py'
    module.parent.mkdir(parents=True)
    module.write_text('# the code\n')
    monkeypatch.setattr(provenance_module, '__file__', str(module))
    monkeypatch.setattr(provenance_module, '_CHECKOUT', tmp_path)
    monkeypatch.setenv('GIT_CEILING_DIRECTORIES', str(tmp_path.parent))
    provenance_module._commit.cache_clear()
    yield tmp_path
    provenance_module._commit.cache_clear()


def _git(folder: Path, *arguments: str) -> str:
    identity = ('-c', 'user.name=test', '-c', 'user.email=test@example.org')
    command = ('git', '-C', str(folder), *identity, *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_named_and_marked_where_code_was_changed(checkout: Path) -> None:
    _git(checkout, 'init', '--quiet')
    assert provenance()[0] == ''  # the code is not this repository's
    _git(checkout, 'add', '.')
    _git(checkout, 'commit', '--quiet', '-m', 'one')
    commit = _git(checkout, 'rev-parse', 'HEAD')[:12]
    for name in ('results.csv', 'results.csv.torn'):
        (checkout / 'training' / 'paper' / name).write_text('every run writes here\n')
    provenance_module._commit.cache_clear()
    assert provenance()[0] == commit
    (checkout / 'training' / 'new.py').write_text('# not committed\n')
    assert provenance()[0] == commit  # what runs is what was loaded
    provenance_module._commit.cache_clear()
    assert provenance()[0] == f'{commit}+'


def test_an_installed_package_has_no_commit(checkout: Path) -> None:
    assert checkout.is_dir()
    assert provenance()[0] == ''


def test_the_machine_is_a_processor_and_its_threads() -> None:
    machine = provenance('cpu')[1]
    assert machine.endswith((' threads', ' 1 thread'))
    assert not machine.startswith(',')
