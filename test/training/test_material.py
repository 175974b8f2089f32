# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorder import PERIOD, START, record, rgbd, text

from mm_perception.errors import LabelError
from training.features.dataset import Dataset, Rows
from training.material import (
    BagOptions,
    Material,
    bag_material,
    held_out_at_random,
    refuse_overlap,
    set_aside,
    split,
)


def rows(recording: str, count: int = 3) -> Rows:
    return Rows(recording, torch.arange(count), {'rgb': torch.zeros(count, 2)}, {})


def dataset(**labels: list[str | None]) -> Dataset:
    made = tuple(rows(name, len(known)) for name, known in labels.items())
    return Dataset(made, tuple(tuple(known) for known in labels.values()))


def test_labels_beside_the_recordings_are_found(tmp_path: Path) -> None:
    record(tmp_path / 'mug_1', rgbd(4), 'mcap')
    with pytest.raises(LabelError, match=r'labels\.csv.*--label-topic'):
        bag_material([tmp_path], BagOptions())
    (tmp_path / 'labels.csv').write_text('bag,start,end,label\nmug_1,0.05,0.2,mug\n')
    material = bag_material([tmp_path], BagOptions())
    assert [source.name for source in material.sources] == ['mug_1']
    assert material.label_of('mug_1', 100_000_000) == 'mug'
    assert material.label_of('mug_1', 0) is None


def test_recordings_that_need_no_labels_are_found_without(tmp_path: Path) -> None:
    record(tmp_path / 'mug_1', rgbd(4), 'mcap')
    material = bag_material([tmp_path], BagOptions(labelled=False))
    assert [source.name for source in material.sources] == ['mug_1']
    assert material.label_of('mug_1', 0) is None


def test_every_folders_own_labels_are_read(tmp_path: Path) -> None:
    for day, label in (('monday', 'mug'), ('tuesday', 'bowl')):
        record(tmp_path / day / f'{label}_1', rgbd(4), 'mcap')
        row = f'{label}_1,0,0.3,{label}'
        (tmp_path / day / 'labels.csv').write_text(f'bag,start,end,label\n{row}\n')
    material = bag_material([tmp_path / 'monday', tmp_path / 'tuesday'], BagOptions())
    assert material.label_of('mug_1', 0) == 'mug'
    assert material.label_of('bowl_1', 0) == 'bowl'


def test_every_folders_own_labels_name_recordings_as_for_that_folder_alone(tmp_path: Path) -> None:
    for day, label in (('monday', 'mug'), ('tuesday', 'bowl')):
        record(tmp_path / day / 'kitchen', rgbd(4), 'ros1')
        (tmp_path / day / 'labels.csv').write_text(f'bag,start,end,label\nkitchen,0,0.3,{label}\n')
    material = bag_material([tmp_path / 'monday', tmp_path / 'tuesday'], BagOptions())
    assert material.label_of('monday/kitchen', 0) == 'mug'
    assert material.label_of('tuesday/kitchen', 0) == 'bowl'


def test_labels_can_come_from_a_topic_or_the_folders(tmp_path: Path) -> None:
    said = [*rgbd(4), text('/label', START + PERIOD, 'cup')]
    record(tmp_path / 'mug_1', sorted(said, key=lambda one: one.time), 'mcap')
    by_topic = bag_material([tmp_path], BagOptions(label_topic='/label'))
    assert by_topic.label_of('mug_1', 2 * PERIOD) == 'cup'
    assert by_topic.label_of('mug_1', 0) is None
    by_folder = bag_material([tmp_path], BagOptions(label_folders=True))
    assert by_folder.label_of('mug_1', 0) == 'mug'


def test_of_each_class_some_recordings_are_held_out_and_some_train() -> None:
    known = {f'{c}_{i}': [c, None, c] for c in ('bowl', 'mug') for i in range(5)}
    given = dataset(**known, lone_1=['lone'], nameless=[None, None])
    for seed in range(5):
        held_out = held_out_at_random(given, 0.4, seed)
        assert sorted(name.split('_')[0] for name in held_out) == ['bowl', 'bowl', 'mug', 'mug']
    assert held_out_at_random(given, 0.4, 1) == held_out_at_random(given, 0.4, 1)
    assert len({held_out_at_random(given, 0.4, seed) for seed in range(9)}) > 1


def test_a_recording_counts_to_every_class_that_it_shows() -> None:
    given = dataset(kitchen_1=['mug', 'mug', 'bowl'], kitchen_2=['bowl', 'bowl', 'mug'])
    for seed in range(5):
        assert len(held_out_at_random(given, 0.2, seed)) == 1


def test_the_last_recording_of_a_class_stays() -> None:
    many = {f'kitchen_{i}': ['mug', 'mug', 'cup'] for i in range(3)}
    given = dataset(lone=['mug', 'mug', 'bowl'], **many)
    for seed in range(9):
        train, test = split(given, held_out_at_random(given, 0.2, seed))
        assert train.classes() == ('bowl', 'cup', 'mug')
        assert test.classes() == ('cup', 'mug')


@pytest.mark.parametrize(
    ('labels', 'cause'),
    [
        ({'a': ['mug', 'cup'], 'b': ['mug', 'bowl'], 'c': [None]}, 'give another of bowl or cup, '),
        ({'a': [None], 'b': [None]}, 'none has a label; label some'),
    ],
)
def test_it_is_said_why_nothing_can_be_held_out(
    labels: dict[str, list[str | None]], cause: str
) -> None:
    with pytest.raises(LabelError, match=f'^held-out recordings: .*{cause}'):
        held_out_at_random(dataset(**labels), 0.2, 0)


def test_no_recording_is_on_both_sides_of_a_split() -> None:
    given = dataset(a=['x'], b=['x'], c=['y'])
    train, test = split(given, frozenset({'b'}))
    assert [each.recording for each in train.rows] == ['a', 'c']
    assert [each.recording for each in test.rows] == ['b']
    assert test.labels == (('x',),)


def test_split_without_either_side_is_refused() -> None:
    given = dataset(a=['x'])
    for held_out in (frozenset[str](), frozenset({'a'})):
        with pytest.raises(LabelError, match='held-out recordings'):
            split(given, held_out)


def unlabelled(path: Path) -> Material:
    return bag_material([path], BagOptions(labelled=False))


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3', 'ros1'])
def test_a_copy_of_what_trains_is_refused_as_a_test_whatever_its_name_and_format(
    tmp_path: Path, kind: str
) -> None:
    record(tmp_path / 'train' / 'mug_1', rgbd(4), 'mcap')
    record(tmp_path / 'test' / 'again', rgbd(4), kind)
    train, test = unlabelled(tmp_path / 'train'), unlabelled(tmp_path / 'test')
    with pytest.raises(LabelError, match='recording again looks like a copy of mug_1, which'):
        refuse_overlap(train, test)
    with pytest.raises(LabelError, match='mug_1 is also among those to train with'):
        refuse_overlap(train, train)


def test_recordings_of_the_same_times_that_show_other_things_are_no_copies(tmp_path: Path) -> None:
    said = rgbd(4)
    record(tmp_path / 'train' / 'mug_1', said, 'mcap')
    for one in said:
        one.fields['data'] = one.fields['data'][::-1]
    record(tmp_path / 'test' / 'mug_2', said, 'mcap')
    refuse_overlap(unlabelled(tmp_path / 'train'), unlabelled(tmp_path / 'test'))


def test_recordings_of_classes_that_are_left_out_are_all_held_out() -> None:
    train = dataset(mug_1=['mug'], cap_1=['cap', None], bowl_1=['bowl'], nameless=[None])
    test = dataset(cap_2=['cap'], mug_2=['mug'])
    kept, held_out = set_aside(train, test, ['cap'])
    assert [rows.recording for rows in kept.rows] == ['mug_1', 'bowl_1', 'nameless']
    assert [rows.recording for rows in held_out.rows] == ['cap_2', 'mug_2', 'cap_1']
    assert kept.classes() == ('bowl', 'mug')
    assert set_aside(train, test, []) == (train, test)


def test_class_that_nothing_shows_cannot_be_left_out_nor_can_all() -> None:
    train, test = dataset(mug_1=['mug'], cap_1=['cap']), dataset(bowl_1=['bowl'])
    with pytest.raises(LabelError, match=r'^--leave-out spoon: no recording shows it; they show c'):
        set_aside(train, test, ['spoon'])
    with pytest.raises(LabelError, match='no recording is left to train with'):
        set_aside(train, test, ['mug', 'cap'])
    assert set_aside(train, test, ['bowl']) == (train, test)  # it was never trained
