# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bundles import warm_classifier
from recorder import (
    DEPTH_TOPIC,
    PERIOD,
    RGB_TOPIC,
    START,
    Said,
    camera_info,
    colours,
    compressed,
    image,
    png,
    record,
    rgbd,
    storage_file,
    text,
)

from mm_perception.classifier import Classifier
from mm_perception.errors import RecordingError, SettingsError
from mm_perception.observation import Modality
from training.annotating.session import Annotation, annotate_recording, find_one
from training.annotating.writing import DIAGNOSTICS, LABEL, MODALITY, PICTURE, PREDICTION, TYPES
from training.recordings.bags import Recording, find_recordings
from training.recordings.storage import Received, open_storage

ANY: dict[Modality, str | None] = dict.fromkeys(Modality)


@pytest.fixture(scope='module')
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return warm_classifier(tmp_path_factory.mktemp('bundle'))


def only(path: Path) -> Recording:
    (recording,) = find_recordings([path])
    return recording


def messages(path: Path, *topics: str) -> list[Received]:
    recording = only(path)
    with open_storage(recording.files) as storage:
        return list(storage.messages(topics or list(recording.topics)))


def texts(path: Path, topic: str) -> list[str]:
    return [content for _, content in only(path).strings(topic)]


def predictions(path: Path) -> list[dict[str, str]]:
    arrays = [message.read() for message in messages(path, PREDICTION)]
    return [{pair.key: pair.value for pair in array.status[0].values} for array in arrays]


def annotate(
    path: Path, output: Path, classifier: Classifier, overwrite: bool = False, **options: Any
) -> Annotation:
    recording = find_one(path, output, overwrite=overwrite)
    return annotate_recording(recording, output, classifier, ANY, overwrite=overwrite, **options)


def annotated(
    classifier: Classifier, path: Path, said: list[Said], kind: str = 'mcap', **options: Any
) -> tuple[Path, Path, Annotation]:
    """Record, annotate, and give both recordings and what was told of it."""
    bag, output = record(path / 'in', said, kind), path / 'out.mcap'
    made = annotate(bag, output, classifier, **options)
    return bag, output, made


@pytest.mark.parametrize('kind', ['mcap', 'sqlite3 message', 'ros1 lz4'])
def test_what_was_recorded_is_passed_on_unchanged_and_every_pair_is_labelled(
    classifier: Classifier, tmp_path: Path, kind: str
) -> None:
    others = [text('/operator', START + 1, 'hello'), camera_info('/camera/info', START + 2, 500.0)]
    bag, output, made = annotated(classifier, tmp_path, [*others, *rgbd(4)], kind)
    recorded = [(m.topic, m.time, bytes(m.as_ros2())) for m in messages(bag)]
    passed_on = [(m.topic, m.time, bytes(m.as_ros2())) for m in messages(output)]
    assert [message for message in passed_on if message[0] not in TYPES] == recorded
    assert {t: only(output).topics[t].msgtype for t in only(bag).topics} == {
        name: topic.msgtype for name, topic in only(bag).topics.items()
    }
    assert made.modes == Counter(rgbd=4)
    assert (made.images, made.faults) == (8, Counter())
    assert len(texts(output, LABEL)) == len(predictions(output)) == 4
    assert {topic: only(output).topics[topic].msgtype for topic in TYPES} == TYPES


def test_labels_are_those_of_the_observations_that_training_sees(
    classifier: Classifier, tmp_path: Path
) -> None:
    bag, output, _ = annotated(classifier, tmp_path, rgbd(5))
    seen = [classifier.classify(observation) for observation in only(bag).observations()]
    assert texts(output, LABEL) == [prediction.label for prediction in seen]
    for told, prediction in zip(predictions(output), seen, strict=True):
        assert told['mode'] == prediction.mode
        scores = {name: float(told[f'score/{name}']) for name in classifier.classes}
        assert scores == pytest.approx(prediction.probabilities, abs=2e-6)
    received = [message.time for message in messages(bag, DEPTH_TOPIC)]
    assert [message.time for message in messages(output, LABEL)] == received


@pytest.mark.parametrize(('topic', 'mode'), [(RGB_TOPIC, 'rgb'), (DEPTH_TOPIC, 'depth')])
def test_a_recording_of_one_sensor_is_labelled_from_it(
    classifier: Classifier, tmp_path: Path, topic: str, mode: str
) -> None:
    alone = [said for said in rgbd(8) if said.topic == topic]
    _, output, made = annotated(classifier, tmp_path, alone)
    assert set(made.modes) == {mode}
    assert made.modes[mode] >= 5  # the first ones wait for the other sensor
    assert texts(output, MODALITY) == ['none', mode]


def test_when_a_sensor_ends_the_mode_is_told_and_the_other_goes_on(
    classifier: Classifier, tmp_path: Path
) -> None:
    said = [one for i, one in enumerate(rgbd(16)) if i < 16 or one.topic == RGB_TOPIC]
    _, output, made = annotated(classifier, tmp_path, said)
    assert texts(output, MODALITY) == ['none', 'rgbd', 'rgb']
    assert made.modes['rgbd'] == 8
    assert made.modes['rgb'] >= 5
    lost = [message.time for message in messages(output, MODALITY)][-1]
    end = START + 7 * PERIOD + 5_000_000  # of the depth
    assert end + 2 * PERIOD < lost < end + 3 * PERIOD  # not with the next image, but by the clock


def test_a_gap_in_both_streams_is_told_as_none(classifier: Classifier, tmp_path: Path) -> None:
    late = rgbd(4, start=START + 100 * PERIOD)
    _, output, _ = annotated(classifier, tmp_path, [*rgbd(6), *late])
    modes = texts(output, MODALITY)
    assert modes[:4] == ['none', 'rgbd', 'depth', 'none']  # RGB was last seen 5 ms before depth
    assert modes[-1] == 'rgbd'


def test_the_picture_is_a_jpeg_of_the_frame_with_its_header(
    classifier: Classifier, tmp_path: Path
) -> None:
    red = np.clip(colours(0) * (1.0, 0.4, 0.1), 0, 255).astype(np.uint8)
    said = [image(RGB_TOPIC, START + i * PERIOD, red + np.uint8(i), 'rgb8') for i in range(4)]
    _, output, _ = annotated(classifier, tmp_path, said)
    picture = messages(output, PICTURE)[0].read()
    assert picture.format == 'jpeg'
    assert picture.header.frame_id == 'camera_rgb_optical_frame'
    shown = cv2.imdecode(picture.data, cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == red.shape
    blue, green, red_level = shown[-4:, -4:].mean((0, 1))  # where there is no text; OpenCV's order
    assert red_level > green > blue


def test_diagnostics_tell_each_second_of_sensors_model_and_labels(
    classifier: Classifier, tmp_path: Path
) -> None:
    _, output, _ = annotated(classifier, tmp_path, rgbd(24))
    arrays = [message.read() for message in messages(output, DIAGNOSTICS)]
    assert 3 <= len(arrays) <= 4  # at the first pair, and each second
    subjects = [status.name.partition(': ')[2] for status in arrays[-1].status]
    assert subjects == ['rgb', 'depth', 'latency', 'trust', 'model', 'device']
    assert {status.level for status in arrays[-1].status} == {0}


def test_depth_that_does_not_lie_on_colour_is_told_as_on_the_robot(
    classifier: Classifier, tmp_path: Path
) -> None:
    cameras = [
        camera_info(topic.replace('image_raw', 'camera_info'), START, focal)
        for topic, focal in ((RGB_TOPIC, 500.0), (DEPTH_TOPIC, 300.0))
    ]
    _, output, _ = annotated(classifier, tmp_path, [*cameras, *rgbd(14)])
    last = messages(output, DIAGNOSTICS)[-1].read()
    told = {status.name: (status.level, status.message) for status in last.status}
    level, message = told['/mm_perception: depth']
    assert (level, 'not registered to colour' in message) == (1, True)
    assert told['/mm_perception: rgb'][0] == 0


def test_an_image_that_cannot_be_read_is_counted_and_the_rest_is_labelled(
    classifier: Classifier, tmp_path: Path
) -> None:
    said = rgbd(4)
    said[2].fields['data'] = said[2].fields['data'][:7]
    bag, output, made = annotated(classifier, tmp_path, said)
    assert made.modes['rgbd'] == 3
    ((reason, count),) = made.faults.items()
    assert count == 1
    assert 'it holds 7' in reason
    assert len(messages(output, RGB_TOPIC)) == len(messages(bag, RGB_TOPIC)) == 4


def test_a_compressed_topic_is_found_and_labelled(classifier: Classifier, tmp_path: Path) -> None:
    topic = f'{RGB_TOPIC}/compressed'
    said = [
        compressed(topic, START + i * PERIOD, png(colours(i)), 'rgb8; png compressed bgr8')
        for i in range(6)
    ]
    _, output, made = annotated(classifier, tmp_path, said)
    assert set(made.modes) == {'rgb'}
    assert len(messages(output, topic)) == 6


def test_what_the_robot_said_then_gives_way_to_what_it_would_say_now(
    classifier: Classifier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, output, _ = annotated(
        classifier, tmp_path, [text(LABEL, START, 'said by another'), *rgbd(2)]
    )
    assert 'said by another' not in texts(output, LABEL)
    assert f'left out: {LABEL}' in caplog.text


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(
    classifier: Classifier, tmp_path: Path
) -> None:
    output = tmp_path / 'out.mcap'
    output.write_text('mine')
    with pytest.raises(SettingsError, match=r'out\.mcap: exists; .* --overwrite'):
        annotated(classifier, tmp_path, rgbd(2))
    assert output.read_text() == 'mine'
    annotate(tmp_path / 'in', output, classifier, overwrite=True)
    assert len(texts(output, LABEL)) == 2


def test_a_recording_never_replaces_itself(classifier: Classifier, tmp_path: Path) -> None:
    file = storage_file(record(tmp_path / 'in', rgbd(2), 'mcap'))
    before = file.read_bytes()
    with pytest.raises(RecordingError, match='is the recording itself'):
        annotate(file.parent, file, classifier, overwrite=True)
    assert file.read_bytes() == before


def test_nothing_is_written_into_the_recordings_own_folder(
    classifier: Classifier, tmp_path: Path
) -> None:
    bag = record(tmp_path / 'in', rgbd(2), 'mcap')
    before = sorted(bag.rglob('*'))
    for name in ('seen.mcap', 'deeper/seen.mcap'):
        with pytest.raises(RecordingError, match='lies in the folder of the recording'):
            annotate(bag, bag / name, classifier)
    assert sorted(bag.rglob('*')) == before


def stopped(_done: int, _of: int) -> None:
    raise KeyboardInterrupt


def test_what_is_stopped_leaves_nothing_behind(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        annotated(classifier, tmp_path, rgbd(2), told=stopped)
    assert [path.name for path in tmp_path.iterdir()] == ['in']


TWO_DEPTHS = [
    image(topic, START, np.ones((4, 4), np.uint16), '16UC1') for topic in ('/one', '/two')
]


@pytest.mark.parametrize(
    ('said', 'name', 'why'),
    [
        ([text('/t', START, 'x')], 'out.mcap', 'no images'),
        (rgbd(2), 'out.bag', 'name in .mcap'),
        (TWO_DEPTHS, 'out.mcap', '--depth-topic'),
    ],
    ids=['no images', 'another format', 'two depth topics'],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    classifier: Classifier, tmp_path: Path, said: list[Said], name: str, why: str
) -> None:
    bag = record(tmp_path / 'in', said, 'mcap')
    with pytest.raises((RecordingError, SettingsError), match=why):
        annotate(bag, tmp_path / name, classifier)
    assert [path.name for path in tmp_path.iterdir()] == ['in']


def test_two_recordings_are_not_one(classifier: Classifier, tmp_path: Path) -> None:
    for name in ('monday', 'tuesday'):
        record(tmp_path / name, rgbd(1), 'mcap')
    with pytest.raises(RecordingError, match=r'holds 2 recordings; name one, as .*monday'):
        annotate(tmp_path, tmp_path / 'out.mcap', classifier)
