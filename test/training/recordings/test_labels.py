# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A moment has the label that the user gave it, or none; a mistake is shown with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import recorder
from hypothesis import given
from hypothesis import strategies as st
from recorder import PERIOD, START, record

from mm_perception.errors import LabelError
from training.recordings.bags import Recording, find_recordings
from training.recordings.labels import Labels, Span, from_csv, from_folder, from_topic

S = 1_000_000_000


def recording(name: str, seconds: float = 10, path: str = '', root: str = '/bags') -> Recording:
    place = Path(path or f'/bags/{name}')
    return Recording(name, place, Path(root), (place,), START, START + round(seconds * S), {})


BAGS = [recording('mug_1'), recording('can_1', path='/bags/can_1.mcap'), recording('monday/x')]


def csv(tmp_path: Path, *rows: str, header: str = 'bag,start,end,label') -> Path:
    path = tmp_path / 'labels.csv'
    path.write_text('\n'.join([header, *rows, '']), encoding='utf-8')
    return path


def test_rows_hold_from_their_start_until_just_before_their_end(tmp_path: Path) -> None:
    labels = from_csv(csv(tmp_path, 'mug_1,1.5,3,mug', 'mug_1,3,4,red cup'), BAGS)
    times = [0, 1.5 * S - 1, 1.5 * S, 3 * S - 1, 3 * S, 4 * S - 1, 4 * S]
    found = [labels.at('mug_1', round(time)) for time in times]
    assert found == [None, None, 'mug', 'mug', 'red cup', 'red cup', None]
    assert labels.at('can_1', 2 * S) is None
    assert labels.classes == ('mug', 'red cup')


def test_a_bag_is_named_by_its_name_or_file_name(tmp_path: Path) -> None:
    path = csv(tmp_path, 'can_1.mcap,0,1,can', 'can_1,1,2,can', 'monday/x,0,1,cap', 'x,2,3,cap')
    labels = from_csv(path, BAGS)
    assert [labels.at('can_1', s * S) for s in (0, 1, 2)] == ['can', 'can', None]
    assert [labels.at('monday/x', s * S) for s in (0, 1, 2)] == ['cap', None, 'cap']


def test_spreadsheet_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'labels.csv'
    rows = (
        'note, label ,bag,end,start\r\n,"mug, red",mug_1,2,1\r\n\r\n"two\r\nlines",b,mug_1,5,4\r\n'
    )
    path.write_bytes(rows.encode('utf-8-sig'))
    labels = from_csv(path, BAGS)
    assert (labels.at('mug_1', S), labels.at('mug_1', 4 * S)) == ('mug, red', 'b')


def test_rows_may_end_a_little_after_their_bag(tmp_path: Path) -> None:
    bag = recording('mug_1', 9.97)
    assert from_csv(csv(tmp_path, 'mug_1,0,10,mug'), [bag]).at('mug_1', 9 * S) == 'mug'


@pytest.mark.parametrize(
    ('row', 'cause'),
    [
        ('mog_1,0,1,mug', "no bag 'mog_1' among the 3 recordings given; did you mean mug_1"),
        ('mug_1,2,1,mug', 'end 1 is not after start 2'),
        ('mug_1,2,2,mug', 'end 2 is not after start 2'),
        ('mug_1,-1,2,mug', "start '-1' is not allowed; 0 or more"),
        ('mug_1,0,nan,mug', "end 'nan' is not allowed"),
        ('mug_1,0,inf,mug', "end 'inf' is not allowed"),
        ('mug_1,zero,1,mug', "start 'zero' is not a number"),
        ('mug_1,0,,mug', "end '' is not a number"),
        ('mug_1,0,20,mug', "0-20 s is outside bag 'mug_1', which lasts 10.000 s"),
        ('mug_1,10.5,10.8,mug', 'is outside bag'),
        ('mug_1,0,1,', 'the label is empty'),
        ('mug_1,0,1,unknown', "the label 'unknown' is reserved"),
        ('mug_1,0,1,Unknown', "the label 'Unknown' is reserved"),
        ('mug_1,0,1,a\tb', 'cannot be printed'),
        ('mug_1,0,1', '3 fields where the header has 4'),
        ('mug_1,0,1,mug,red', '5 fields where the header has 4'),
        ('mug_1,3,4,mug', 'the same row as line 2'),
        ('mug_1,3.5,5,can', "'can' overlaps 'mug' of line 2"),
        ('mug_1,0,9,can', "'can' overlaps 'mug' of line 2"),
        ('mug_1,0,1,"mug', 'not CSV'),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path: Path, row: str, cause: str) -> None:
    path = csv(tmp_path, 'mug_1,3,4,mug', row)
    with pytest.raises(LabelError) as caught:
        from_csv(path, BAGS)
    message = str(caught.value)
    assert message.startswith((f'{path}:3: ', f'{path}:4: not CSV'))
    assert cause in message
    assert '\n' not in message


def test_overlap_is_found_behind_a_shorter_row(tmp_path: Path) -> None:
    path = csv(tmp_path, 'mug_1,0,9,mug', 'mug_1,1,2,mug', 'mug_1,5,6,can')
    with pytest.raises(LabelError, match=r":4: 'can' overlaps 'mug' of line 2"):
        from_csv(path, BAGS)


def test_one_label_may_overlap_itself(tmp_path: Path) -> None:
    labels = from_csv(csv(tmp_path, 'mug_1,0,5,mug', 'mug_1,1,2,mug', 'mug_1,4,7,mug'), BAGS)
    assert [labels.at('mug_1', s * S) for s in (0, 3, 6, 7)] == ['mug', 'mug', 'mug', None]


@pytest.mark.parametrize(
    ('content', 'cause'),
    [
        (b'', ':1: the header lacks bag, start, end, label'),
        (b'bag,start,label\n', ':1: the header lacks end'),
        (b'mug_1,0,1,mug\n', ':1: the header lacks bag, start, end, label'),
        (b'bag;start;end;label\n', 'separated by commas'),
        (b'bag,start,end,label,label\n', ':1: the header names a column twice'),
        (b'bag,start,end,label\nmug_1,0,1,\xe9\n', ': not UTF-8'),
    ],
)
def test_a_file_that_is_no_label_file_is_refused(
    tmp_path: Path, content: bytes, cause: str
) -> None:
    path = tmp_path / 'labels.csv'
    path.write_bytes(content)
    with pytest.raises(LabelError, match=cause):
        from_csv(path, BAGS)
    path.unlink()
    with pytest.raises(LabelError, match=r'labels\.csv: cannot be read: No such file'):
        from_csv(path, BAGS)


def test_a_file_name_of_two_bags_is_ambiguous(tmp_path: Path) -> None:
    bags = [recording('a/run', path='/bags/a/run'), recording('b/run', path='/bags/b/run')]
    with pytest.raises(LabelError, match=r"bag 'run' may be any of a/run, b/run"):
        from_csv(csv(tmp_path, 'run,0,1,mug'), bags)


def test_a_file_that_was_written_for_one_folder_is_read_among_others(tmp_path: Path) -> None:
    for day in ('monday', 'tuesday'):
        record(tmp_path / day / 'kitchen', recorder.rgbd(2), 'ros1')
    together = find_recordings([tmp_path / 'monday', tmp_path / 'tuesday'])
    alone = find_recordings([tmp_path / 'monday'])
    assert [r.name for r in (*together, *alone)] == ['monday/kitchen', 'tuesday/kitchen', 'kitchen']
    plain = csv(tmp_path / 'monday', 'kitchen,0,0.1,mug')
    assert list(from_csv(plain, together).spans) == ['monday/kitchen']
    full = csv(tmp_path / 'tuesday', 'monday/kitchen,0,0.1,mug')
    assert list(from_csv(full, alone).spans) == ['kitchen']
    above = csv(tmp_path, 'kitchen,0,0.1,mug')
    with pytest.raises(LabelError, match='may be any of monday/kitchen, tuesday/kitchen'):
        from_csv(above, together)


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_labels_or_a_label_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, headed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / 'any.csv'
    path.write_bytes((b'bag,start,end,label\nmug_1,0,1,' if headed else b'') + content)
    try:
        labels = from_csv(path, BAGS)
    except LabelError:
        return
    assert headed
    assert all(label.strip() and label.isprintable() for label in labels.classes)


@st.composite
def disjoint_spans(draw: st.DrawFn) -> list[Span]:
    times = sorted(draw(st.lists(st.integers(0, 50), min_size=2, max_size=12)))
    pairs = zip(times[::2], times[1::2], strict=False)
    spans = [Span(a, b, draw(st.sampled_from('xyz'))) for a, b in pairs if a < b]
    return draw(st.permutations(spans))


@given(disjoint_spans(), st.integers(-1, 51))
def test_lookup_agrees_with_looking_at_every_span(spans: list[Span], time: int) -> None:
    holding = [s.label for s in spans if s.start <= time < (s.end or 0)]
    assert Labels({'a': spans}).at('a', time) == (holding[0] if holding else None)


def test_topic_label_holds_until_the_next_and_empty_text_is_none(tmp_path: Path) -> None:
    times = [START, START + 2 * PERIOD, START + 5 * PERIOD, START + 7 * PERIOD]
    words = ['', 'mug', ' ', 'can']
    said = [recorder.text('/label', t, w) for t, w in zip(times, words, strict=True)]
    record(tmp_path / 'a', said, 'mcap')
    record(tmp_path / 'b', [recorder.text('/other', START, 'x')], 'ros1')
    bags = find_recordings([tmp_path])
    labels = from_topic('/label', bags)
    found = [labels.at('a', index * PERIOD) for index in range(9)]
    assert found == [None, None, 'mug', 'mug', 'mug', None, None, 'can', 'can']
    assert labels.at('a', 10**15) == 'can'
    assert labels.at('b', 0) is None
    with pytest.raises(LabelError, match=r'/lable: no recording has .*topics: /label, /other'):
        from_topic('/lable', bags)


def test_reserved_topic_label_is_refused_with_its_time(tmp_path: Path) -> None:
    said = [recorder.text('/l', START, 'mug'), recorder.text('/l', START + PERIOD, 'unknown')]
    record(tmp_path / 'a', said)
    with pytest.raises(LabelError, match=r"a: /l at 0.100 s: the label 'unknown' is reserved"):
        from_topic('/l', find_recordings([tmp_path]))


@pytest.mark.parametrize(
    ('path', 'root', 'label'),
    [
        ('/bags/apple_1', '/bags', 'apple'),
        ('/bags/apple_1', '/bags/apple_1', 'apple'),
        ('/bags/coffee_mug_12.bag', '/bags', 'coffee_mug'),
        ('/bags/apple/run_3', '/bags', 'apple'),
        ('/bags/apple_2/rosbag2_2024_05_01-10_00_00', '/bags', 'apple'),
        ('/bags/7up_1', '/bags', '7up'),
    ],
)
def test_folder_label(path: str, root: str, label: str) -> None:
    name = Path(path).stem
    labels = from_folder([recording(name, path=path, root=root)])
    assert labels.at(name, 0) == labels.at(name, 10**15) == label


@pytest.mark.parametrize(
    'name', ['rosbag2_2024_05_01-10_00_00', '2024-05-01-10-00-00', '12', 'unknown_1']
)
def test_folder_name_that_tells_no_label_is_refused(name: str) -> None:
    with pytest.raises(LabelError, match=rf'^/bags/{name}: .*(folder named after|reserved)'):
        from_folder([recording(name)])
