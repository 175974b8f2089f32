# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from mm_perception.errors import RecordingError, SettingsError
from mm_perception.images import frame_from_message
from mm_perception.observation import Modality
from training.recordings.bags import find_recordings
from training.recordings.labels import from_csv, from_topic
from training.simulation import (
    TRUTH_TOPIC,
    Fault,
    Shot,
    SimulationSettings,
    record_sequence,
    simulate,
)
from training.simulation.recorder import IMAGE_TOPICS, INFO_TOPICS

if TYPE_CHECKING:
    from pathlib import Path

RGB, DEPTH = IMAGE_TOPICS['rgb'], IMAGE_TOPICS['depth']
SMALL = SimulationSettings(
    categories=('apple', 'cereal_box'),
    training_instances=2,
    test_instances=1,
    seconds=0.3,
    labelled_fraction=0.34,
    workers=1,
)
BRIEF = SMALL.model_copy(update={'training_instances': 0, 'categories': ('apple',)})


def messages(bag: Path) -> list[tuple[str, int, Any]]:
    with AnyReader([bag]) as reader:
        return [
            (connection.topic, time, reader.deserialize(data, connection.msgtype))
            for connection, time, data in reader.messages()
        ]


def of_topic(bag: Path, topic: str) -> list[Any]:
    return [message for name, _, message in messages(bag) if name == topic]


def stamp(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def digest(bag: Path) -> str:
    """All that a bag says: topics, times, and the messages' every byte."""
    told = hashlib.sha256()
    with AnyReader([bag]) as reader:
        for connection, time, data in reader.messages():
            told.update(f'{connection.topic} {time} '.encode())
            told.update(data)
    return told.hexdigest()


@pytest.fixture(scope='module')
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp('session')
    simulate(SMALL, output)
    return output


def test_there_is_a_bag_for_each_instance_and_test_instances_are_not_in_training(
    session: Path,
) -> None:
    names = {
        folder: {path.name for path in (session / folder).iterdir()} for folder in ('train', 'test')
    }
    assert names['train'] == {'apple_1', 'apple_2', 'cereal_box_1', 'cereal_box_2', 'labels.csv'}
    assert names['test'] == {'apple_3', 'cereal_box_3', 'labels.csv'}


def test_a_bag_holds_what_a_kinect_driver_sends(session: Path) -> None:
    bag = session / 'train/apple_1'
    colour, depth = of_topic(bag, RGB), of_topic(bag, DEPTH)
    assert len(colour) == len(depth) == 3
    for image, encoding, size in [(colour[0], 'rgb8', 3), (depth[0], '16UC1', 2)]:
        assert (image.encoding, image.width, image.height) == (encoding, 640, 480)
        assert image.step == 640 * size
        assert len(image.data) == 480 * 640 * size
        assert image.header.frame_id == 'camera_rgb_optical_frame'
    for sensor, images in (('rgb', colour), ('depth', depth)):
        infos = of_topic(bag, INFO_TOPICS[sensor])
        assert [stamp(info) for info in infos] == [stamp(image) for image in images]
        assert infos[0].k[0] == infos[0].p[0] == 525
        assert (infos[0].width, infos[0].height) == (640, 480)


def test_every_message_is_received_after_its_stamp_and_in_order(session: Path) -> None:
    received = messages(session / 'train/apple_1')
    assert all(stamp(message) < time for _, time, message in received)
    assert all(first[1] <= second[1] for first, second in pairwise(received))


def test_depth_is_within_the_sensor_s_range_and_has_holes(session: Path) -> None:
    for message in of_topic(session / 'test/cereal_box_3', DEPTH):
        image = frame_from_message(message, Modality.DEPTH).image
        assert np.nanmin(image) >= 0.5
        assert np.nanmax(image) <= 4.0
        assert 0.005 < np.isnan(image).mean() < 0.5


def test_the_object_is_about_the_middle_of_the_picture(session: Path) -> None:
    for message in of_topic(session / 'train/apple_1', RGB):
        red, green, blue = (
            frame_from_message(message, Modality.RGB).image.astype(int).transpose(2, 0, 1)
        )
        rows, columns = np.nonzero(red - (green + blue) / 2 > 60)  # both apples are red
        assert np.median(rows) == pytest.approx(240, abs=25)
        assert np.median(columns) == pytest.approx(320, abs=25)


def test_the_view_changes_from_frame_to_frame(session: Path) -> None:
    pictures = [
        message.data.astype(int) for message in of_topic(session / 'train/cereal_box_1', RGB)
    ]
    assert all(np.abs(a - b).mean() > 3 for a, b in pairwise(pictures))


def test_labels_name_the_right_object_for_the_chosen_share_of_frames(session: Path) -> None:
    recordings = find_recordings([session / 'train'])
    labels = from_csv(session / 'train/labels.csv', recordings)
    found: dict[str, list[str | None]] = {'apple': [], 'cereal_box': []}
    for recording in recordings:
        category = recording.path.name.rpartition('_')[0]
        for received, _ in recording.received_observations():
            found[category].append(labels.at(recording.name, received - recording.start))
    for category, said in found.items():
        assert set(said) == {category, None}
        assert len(said) - said.count(None) == 2  # 0.34 of six


def test_every_test_frame_has_a_label(session: Path) -> None:
    recordings = find_recordings([session / 'test'])
    labels = from_csv(session / 'test/labels.csv', recordings)
    for recording in recordings:
        for received, _ in recording.received_observations():
            label = labels.at(recording.name, received - recording.start)
            assert label == recording.path.name.rpartition('_')[0]


def test_same_seed_same_bytes_whatever_the_number_of_processes(
    session: Path, tmp_path: Path
) -> None:
    bags = simulate(SMALL.model_copy(update={'workers': 2}), tmp_path)
    for bag in bags:
        assert digest(bag) == digest(session / bag.relative_to(tmp_path))
    for labels in ('train/labels.csv', 'test/labels.csv'):
        assert (tmp_path / labels).read_text() == (session / labels).read_text()


def test_another_seed_gives_other_pictures(session: Path, tmp_path: Path) -> None:
    (bag,) = simulate(BRIEF.model_copy(update={'seed': 1, 'test_instances': 1}), tmp_path)
    first, second = of_topic(bag, RGB)[0], of_topic(session / 'train/apple_1', RGB)[0]
    assert (first.data != second.data).mean() > 0.5


def test_sqlite3_and_mcap_hold_the_same_messages(tmp_path: Path) -> None:
    digests = set()
    for storage, suffix in (('mcap', '.mcap'), ('sqlite3', '.db3')):
        (bag,) = simulate(BRIEF.model_copy(update={'storage': storage}), tmp_path / storage)
        assert (bag / f'{bag.name}{suffix}').is_file()
        digests.add(digest(bag))
    assert len(digests) == 1


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    simulate(BRIEF, tmp_path, lambda done, total: told.append((done, total)))
    assert told == [(3, 3)]


def test_nothing_is_written_over(session: Path) -> None:
    before = digest(session / 'train/apple_1')
    with pytest.raises(RecordingError, match='train: is there already; remove it'):
        simulate(SMALL, session)
    assert digest(session / 'train/apple_1') == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(RecordingError, match=r'file.*cannot be made'):
        simulate(BRIEF, tmp_path / 'file')


def test_an_interrupted_bag_is_removed(tmp_path: Path) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record_sequence(SMALL, [('apple', 3, 0.3)], tmp_path / 'tour', progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_session_leaves_nothing_in_the_way_of_the_next(tmp_path: Path) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(BRIEF, tmp_path, interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope='module')
def tour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    faults = [
        Fault(sensor='depth', kind='drop', start=0.2, end=0.4),
        Fault(sensor='rgb', kind='freeze', start=0.4, end=0.6),
        Fault(sensor='rgb', kind='blind', start=0.7, end=0.8),
    ]
    path = tmp_path_factory.mktemp('tour') / 'tour'
    shots = [Shot('apple', 3, 0.5), Shot('cereal_box', 3, 0.3), Shot('apple', 3, 0.2)]
    return record_sequence(SMALL, shots, path, faults)


def test_a_sequence_shows_its_objects_in_turn_and_tells_which_it_is(tour: Path) -> None:
    (recording,) = find_recordings([tour])
    labels = from_topic(TRUTH_TOPIC, [recording])
    said = [
        labels.at(recording.name, received - recording.start)
        for received, _ in recording.received_observations()
    ]
    assert [a for a, b in pairwise([*said, None]) if a != b] == ['apple', 'cereal_box', 'apple']
    assert [message.data for message in of_topic(tour, TRUTH_TOPIC)] == (
        ['apple'] * 5 + ['cereal_box'] * 3 + ['apple'] * 2
    )


def test_the_truth_is_told_before_the_first_picture_of_its_object(tour: Path) -> None:
    order = [topic for topic, _, _ in messages(tour) if topic in {TRUTH_TOPIC, RGB}]
    assert order == [TRUTH_TOPIC, RGB] * 10


def test_a_dropped_sensor_is_missing_for_its_stretch_alone(tour: Path) -> None:
    start = messages(tour)[0][1]
    ticks = {round((stamp(message) - start) / 1e8) for message in of_topic(tour, DEPTH)}
    assert ticks == set(range(10)) - {2, 3}
    assert len(of_topic(tour, INFO_TOPICS['depth'])) == 8


def test_a_frozen_sensor_sends_the_same_pixels_under_new_stamps(tour: Path) -> None:
    colour = of_topic(tour, RGB)
    same = [bool((a.data == b.data).all()) for a, b in pairwise(colour)]
    assert same == [False, False, False, True, True, False, False, False, False]
    assert all(stamp(a) < stamp(b) for a, b in pairwise(colour))


def test_a_blinded_sensor_is_black_for_its_stretch_alone(tour: Path) -> None:
    levels = [message.data.mean() for message in of_topic(tour, RGB)]
    assert [level < 10 for level in levels] == [tick == 7 for tick in range(10)]


def test_the_same_instance_in_another_shot_is_seen_anew(tour: Path) -> None:
    colour = of_topic(tour, RGB)
    assert (colour[0].data != colour[8].data).mean() > 0.5


@pytest.mark.parametrize(
    ('shots', 'said'),
    [
        ([], 'none given'),
        ([('apple', 1, 1.0), ('unicorn', 1, 1.0)], "shot 2: no category 'unicorn'"),
        ([('apple', 0, 1.0)], 'instances count from 1'),
        ([('apple', 1, 0.0)], 'the time must be above 0'),
    ],
)
def test_an_impossible_shot_is_refused_before_anything_is_written(
    shots: list[tuple[str, int, float]], said: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=said):
        record_sequence(SMALL, shots, tmp_path / 'tour')
    assert not (tmp_path / 'tour').exists()


def test_a_stretch_in_which_nothing_was_sent_has_no_label(tmp_path: Path) -> None:
    faults = tuple(
        Fault(sensor=sensor, kind='drop', start=0.1, end=9) for sensor in ('rgb', 'depth')
    )
    simulate(BRIEF.model_copy(update={'faults': faults, 'test_instances': 1}), tmp_path)
    (recording,) = find_recordings([tmp_path / 'test'])
    labels = from_csv(tmp_path / 'test/labels.csv', [recording])
    assert labels.at(recording.name, 0) == 'apple'
