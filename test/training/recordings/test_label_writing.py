# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labels that are changed stay labels that training can read, whatever they are called."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_perception.errors import LabelError
from training.recordings.bags import Recording
from training.recordings.label_writing import csv_of, painted, write_whole
from training.recordings.labels import Labels, Span, checked_label, from_csv

MOMENTS = st.integers(0, 40)
CLASSES = st.sampled_from(['bowl', 'mug', 'plate'])
STROKES = st.lists(
    st.tuples(MOMENTS, st.integers(1, 15), st.one_of(st.none(), CLASSES)), max_size=12
)
NS = 10**9


def is_allowed(name: str) -> bool:
    try:
        checked_label(name, '')
    except LabelError:
        return False
    return name == name.strip()


NAMES = st.one_of(
    st.text(st.sampled_from('ab ,;"\'\\\n\té#='), min_size=1, max_size=6), st.text(max_size=6)
).filter(is_allowed)


def recording(name: str, seconds: float = 100.0) -> Recording:
    path = Path('/bags') / name
    return Recording(name, path, path.parent, (), 0, round(seconds * NS), {})


@given(STROKES)
def test_every_moment_has_the_last_label_that_it_was_given(
    strokes: list[tuple[int, int, str | None]],
) -> None:
    spans: list[Span] = []
    expected: dict[int, str | None] = {}
    for start, length, label in strokes:
        spans = Labels({'bag': painted(spans, start, start + length, label)}).spans['bag']
        expected |= dict.fromkeys(range(start, start + length), label)
    labels = Labels({'bag': spans})
    assert [labels.at('bag', t) for t in range(60)] == [expected.get(t) for t in range(60)]
    ends = [span.end for span in spans]
    starts = [span.start for span in spans]
    assert all(end is not None and end <= s for end, s in zip(ends[:-1], starts[1:], strict=True))


def test_a_label_to_the_recordings_end_keeps_what_is_not_painted() -> None:
    spans = painted([Span(0, None, 'mug')], 10, 20, 'bowl')
    assert spans == [Span(0, 10, 'mug'), Span(10, 20, 'bowl'), Span(20, None, 'mug')]


@settings(max_examples=25)
@given(st.dictionaries(st.integers(0, 10**11), NAMES, min_size=1, max_size=8))
def test_what_is_written_is_read_back_to_the_nanosecond(
    tmp_path_factory: pytest.TempPathFactory, moments: dict[int, str]
) -> None:
    file = tmp_path_factory.mktemp('labels') / 'labels.csv'
    starts = sorted(moments)
    ends = [*starts[1:], starts[-1] + 7]
    spans = [Span(a, b, moments[a]) for a, b in zip(starts, ends, strict=True)]
    labels = Labels({'kitchen, "monday"': spans})
    write_whole(file, csv_of(labels).encode())
    known = [recording('kitchen, "monday"', 101), recording('other')]
    assert from_csv(file, known).spans == labels.spans


def test_a_link_stays_a_link_and_a_mode_a_mode(tmp_path: Path) -> None:
    (tmp_path / 'real.csv').write_text('old')
    (tmp_path / 'real.csv').chmod(0o640)
    (tmp_path / 'labels.csv').symlink_to('real.csv')
    write_whole(tmp_path / 'labels.csv', b'new')
    assert (tmp_path / 'labels.csv').is_symlink()
    assert (tmp_path / 'real.csv').read_bytes() == b'new'
    assert (tmp_path / 'real.csv').stat().st_mode & 0o777 == 0o640
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_leaves_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / 'labels.csv'
    file.write_bytes(b'old')
    write = (
        'import sys; from pathlib import Path\n'
        'from training.recordings.label_writing import write_whole\n'
        'try: write_whole(Path(sys.argv[1]), bytes(100_000))\n'
        'except OSError as error: print(error.strerror)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', write, str(file)],
        env={**os.environ},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == 'File too large\n'
    assert file.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [file]
