# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The Washington data set is split as published, and parts of it in the same way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.errors import LabelError, RecordingError
from training.paper.washington.splits import Objects, read_objects
from training.recipe import Recipe

FIFTH = Recipe(every=5, labelled_fraction=0.05)
OFFICIAL = '****** trial 1 ******\napple_1\ncup_2\n\n****** trial 2 ******\napple_3\ncup_1\n'


def lay_out(root: Path, instances: list[str], frames: int = 20) -> Path:
    """Name the files of the layout; nothing is read from them."""
    for instance in instances:
        folder = root / instance.rpartition('_')[0] / instance
        folder.mkdir(parents=True)
        for frame in range(1, frames + 1):
            for kind in ('crop', 'depthcrop'):
                (folder / f'{instance}_1_{frame}_{kind}.png').touch()
    return root


APPLES_AND_CUPS = ['apple_1', 'apple_2', 'apple_3', 'cup_1', 'cup_2']


def test_official_list_in_the_folder_or_beside_it_is_kept(tmp_path: Path) -> None:
    root = lay_out(tmp_path / 'rgbd', APPLES_AND_CUPS)
    for place in (root, tmp_path):
        file = place / 'testinstance_ids.txt'
        file.write_text(OFFICIAL)
        objects = read_objects(root)
        assert objects.trials == ({'apple_1', 'cup_2'}, {'apple_3', 'cup_1'})
        assert objects.note == f'2 splits of {file}'
        file.unlink()
    assert (objects.name, objects.classes) == ('rgbd', ('apple', 'cup'))


def test_only_the_whole_data_set_has_its_name(tmp_path: Path) -> None:
    names = [f'c{i:02}_{j}' for i in range(51) for j in range(1, 6 + (i < 45))]
    root = lay_out(tmp_path / 'rgbd', names, frames=1)
    trial = '\n'.join(f'c{i:02}_1' for i in range(51))
    (root / 'testinstance_ids.txt').write_text(f'****** trial 1 ******\n{trial}\n')
    assert len(names) == 300
    assert read_objects(root).name == 'Washington RGB-D'
    shutil.rmtree(root / 'c01' / 'c01_2')
    assert read_objects(root).name == 'rgbd'


def test_without_a_list_each_object_is_held_out_in_turn(tmp_path: Path) -> None:
    objects = read_objects(lay_out(tmp_path / 'part', [*APPLES_AND_CUPS, 'cap_1']))
    assert objects.trials == ({'apple_1', 'cup_1'}, {'apple_2', 'cup_2'}, {'apple_3', 'cup_1'})
    assert objects.classes == ('apple', 'cap', 'cup')
    assert objects.note == (
        'no testinstance_ids.txt: 3 splits made the same way, each of which holds out one object '
        'of apple, cup; only those are scored'
    )


def test_real_part_holds_out_apples_and_balls(shared_data: Path) -> None:
    objects = read_objects(shared_data / 'uw_rgbd')
    assert objects.trials == (
        {'apple_1', 'ball_1'},
        {'apple_2', 'ball_2'},
        {'apple_3', 'ball_1'},
        {'apple_4', 'ball_2'},
    )
    split = objects.split(1, FIFTH)
    training = 1326 - 123 - 164  # every fifth frame; two objects less
    assert len(split.labelled) == pytest.approx(0.05 * training, abs=12)
    assert {crop.category for crop in split.labelled} == set(objects.classes)


@pytest.fixture(scope='module')
def many(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    root = lay_out(tmp_path_factory.mktemp('many') / 'part', APPLES_AND_CUPS, frames=200)
    return read_objects(root)


@given(seed=st.integers(0, 1000), trial=st.integers(1, 3), share=st.sampled_from([0.01, 0.05, 1]))
def test_labels_are_a_share_of_what_trains(
    many: Objects, seed: int, trial: int, share: float
) -> None:
    recipe = FIFTH.model_copy(update={'seed': seed, 'labelled_fraction': share})
    split = many.split(trial, recipe)
    frames = 40 * (len(APPLES_AND_CUPS) - 2)
    missing = len(split.labelled) - max(round(share * frames), 1)
    assert missing in ({0, 1} if share < 1 else {0})  # a category that had none has got one
    assert {crop.category for crop in split.labelled} == {'apple', 'cup'}
    assert not {crop.instance for crop in split.labelled} & split.held_out
    assert {crop.frame % 5 for crop in split.labelled} == {1}
    assert len({crop.rgb for crop in split.labelled}) == len(split.labelled)
    assert many.split(trial, recipe) == split  # seeded


def test_another_seed_draws_other_labels(many: Objects) -> None:
    draws = {many.split(1, FIFTH.model_copy(update={'seed': s})).labelled for s in range(5)}
    assert len(draws) == 5


def test_labels_are_known_of_what_was_drawn_and_of_what_is_held_out(many: Objects) -> None:
    split = many.split(1, FIFTH)
    few, every = split.label_of(), split.label_of(every=True)
    drawn = {(crop.instance, crop.stamp) for crop in split.labelled}
    for source in many.sources:
        for crop in source.crops:
            known = source.name in split.held_out or (source.name, crop.stamp) in drawn
            assert few(source.name, crop.stamp) == (source.category if known else None)
            assert every(source.name, crop.stamp) == source.category


@pytest.mark.parametrize(
    ('instances', 'listed', 'message'),
    [
        (
            APPLES_AND_CUPS,
            OFFICIAL.replace('apple_3', 'apple_7').replace('cup_1', 'cup_9'),
            '{file}: names apple_7 and 1 others, not in {root}; unpack what is missing, or take ',
        ),
        (APPLES_AND_CUPS[:3], OFFICIAL, '{file}: names cup_1 and 1 others, not in {root}'),
        (
            [*APPLES_AND_CUPS, 'cap_1'],
            OFFICIAL,
            '{file}: holds out no cap, which is in {root}; leave it out',
        ),
        (
            ['apple_1', 'cup_1', 'cup_2'],
            '****** trial 1 ******\napple_1\ncup_2\n',
            '{root}: has one apple only, and testinstance_ids.txt holds it out',
        ),
        (['apple_1', 'cup_1'], '', '{root}: no category has two objects'),
    ],
)
def test_lists_and_folders_that_do_not_fit_are_refused(
    tmp_path: Path, instances: list[str], listed: str, message: str
) -> None:
    root = lay_out(tmp_path / 'rgbd', instances)
    file = root / 'testinstance_ids.txt'
    if listed:
        file.write_text(listed)
    with pytest.raises(LabelError) as caught:
        read_objects(root)
    assert str(caught.value).startswith(message.format(file=file, root=root))
    assert '\n' not in str(caught.value)


def test_wrong_list_or_trial_is_named(tmp_path: Path) -> None:
    root = lay_out(tmp_path / 'rgbd', APPLES_AND_CUPS)
    file = root / 'testinstance_ids.txt'
    file.write_bytes(b'\xff')
    with pytest.raises(RecordingError, match=f'^{file}: cannot be read'):
        read_objects(root)
    file.unlink()
    with pytest.raises(LabelError, match=r'^rgbd: has trials 1 to 3, not 4'):
        read_objects(root).split(4, FIFTH)
