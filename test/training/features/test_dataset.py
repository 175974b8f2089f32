# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from recorder import RGB_TOPIC, colours, image, record, rgbd

from mm_perception.errors import MMPerceptionError, RecordingError, TrainingError
from mm_perception.features import BackboneSettings
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.pipeline import Pipeline, PipelineSettings
from training.features.dataset import Extractor, Rows, Source, load_dataset
from training.fitting.climb import UNLABELLED
from training.recordings.bags import find_recordings
from training.recordings.sources import BagSource, washington_sources

SMALL = BackboneSettings(name='squeezenet1_0', weights='random')


def make_pipeline(seed: int = 0) -> Pipeline:
    backbone = SMALL.model_copy(update={'seed': seed})
    return Pipeline(PipelineSettings(backbones=dict.fromkeys(Modality, backbone)))


@pytest.fixture(scope='module')
def pipeline() -> Pipeline:
    return make_pipeline()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    record(tmp_path / 'bags' / 'mug_1', rgbd(8), 'mcap')
    return BagSource(find_recordings([tmp_path / 'bags'])[0])


def test_rows_are_what_the_robot_computes_of_the_same_images(
    pipeline: Pipeline, source: Source, tmp_path: Path
) -> None:
    rows = Extractor(pipeline, tmp_path / 'cache', every=1)([source])[0]
    assert len(rows) == 8
    times, seen = zip(*source.observations(1), strict=True)
    assert rows.times.tolist() == list(times)
    images = pipeline.prepare(seen[5])
    robot = pipeline.features({m: image[None] for m, image in images.items()})
    for modality in Modality:
        torch.testing.assert_close(
            rows.features[str(modality)][5], robot[modality][0], rtol=1e-4, atol=1e-5
        )
        assert rows.thumbnails[str(modality)].shape == (8, 72, 72, 3)


def test_features_are_computed_once(pipeline: Pipeline, source: Source, tmp_path: Path) -> None:
    first, second = (Extractor(pipeline, tmp_path / 'cache', every=1) for _ in range(2))
    [one], [again] = first([source]), second([source])
    assert (first.computed, first.reused) == (8, 0)
    assert (second.computed, second.reused) == (0, 8)
    assert torch.equal(one.features['rgb'], again.features['rgb'])
    assert torch.equal(one.thumbnails['depth'], again.thumbnails['depth'])
    assert torch.equal(one.times, again.times)


def test_features_are_computed_anew_when_what_they_depend_on_changes(
    pipeline: Pipeline, source: Source, tmp_path: Path
) -> None:
    cache = tmp_path / 'cache'
    Extractor(pipeline, cache, every=1)([source])
    thinner = Extractor(pipeline, cache, every=2)
    thinner([source])
    reseeded = Extractor(make_pipeline(seed=1), cache, every=1)
    reseeded([source])
    storage = next((tmp_path / 'bags' / 'mug_1').glob('*.mcap'))
    os.utime(storage, ns=(0, 0))
    touched = Extractor(pipeline, cache, every=1)
    touched([source])
    assert [e.reused for e in (thinner, reseeded, touched)] == [0, 0, 0]
    assert [e.computed for e in (thinner, reseeded, touched)] == [4, 8, 8]


@pytest.mark.parametrize('left', [0, 100, -1])
def test_damaged_cache_is_computed_anew(
    pipeline: Pipeline, source: Source, tmp_path: Path, left: int
) -> None:
    Extractor(pipeline, tmp_path / 'cache', every=1)([source])
    file = next((tmp_path / 'cache').iterdir())
    file.write_bytes(file.read_bytes()[:left])
    again = Extractor(pipeline, tmp_path / 'cache', every=1)
    assert len(again([source])[0]) == 8
    assert again.computed == 8
    assert len(list((tmp_path / 'cache').iterdir())) == 1


@dataclass(frozen=True)
class Shaky:
    """A source that breaks off, or whose depth fails."""

    good: int
    breaks: bool

    name = 'shaky'
    start = 0

    def identity(self) -> dict[str, object]:
        return {'good': self.good, 'breaks': self.breaks}

    def observations(self, every: int) -> Iterator[tuple[int, Observation]]:
        noise = np.random.default_rng(0)
        for i in range(0, 6, every):
            colour = Frame(Modality.RGB, i, '', noise.integers(0, 255, (60, 80, 3), dtype='u1'))
            if i >= self.good and self.breaks:
                raise RecordingError('shaky: broken')
            depth = Frame(Modality.DEPTH, i, '', noise.uniform(1, 2, (60, 80)).astype('f4'))
            yield i, Observation.of(colour, *([depth] if i < self.good else []))


def test_observations_that_lack_a_modality_are_counted_and_left_out(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    extractor = Extractor(pipeline, tmp_path, every=1)
    assert len(extractor([Shaky(good=4, breaks=False)])[0]) == 4
    assert extractor.skipped == 2


def test_source_that_breaks_leaves_nothing_in_the_cache(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(RecordingError):
        Extractor(pipeline, tmp_path / 'cache', every=1)([Shaky(good=4, breaks=True)])
    assert not (tmp_path / 'cache').exists()


@pytest.fixture
def bags(tmp_path: Path) -> list[Source]:
    for name, frames in {'a': 18, 'b': 16, 'c': 3}.items():
        record(tmp_path / 'many' / name, rgbd(frames), 'mcap')
    return [BagSource(found) for found in find_recordings([tmp_path / 'many'])]


def extracted(pipeline: Pipeline, cache: Path, sources: list[Source], readers: int) -> list[Rows]:
    extractor = Extractor(pipeline, cache, every=1)
    extractor.readers, extractor.patience = readers, 0
    return extractor(sources)


def test_readers_change_neither_rows_nor_their_order_nor_a_bit_of_the_cache(
    pipeline: Pipeline, bags: list[Source], tmp_path: Path
) -> None:
    plain = extracted(pipeline, tmp_path / 'plain', bags, 0)
    found = extracted(pipeline, tmp_path / 'found', bags, 2)
    assert [rows.recording for rows in found] == [source.name for source in bags]
    assert [len(rows) for rows in found] == [18, 16, 3]
    assert found[0].times.tolist() == [time for time, _ in bags[0].observations(1)]
    for one, other in zip(plain, found, strict=True):
        assert torch.equal(one.times, other.times)
        for name in ('rgb', 'depth'):
            assert torch.equal(one.features[name], other.features[name])
            assert torch.equal(one.thumbnails[name], other.thumbnails[name])
    kept = [{f.name: f.read_bytes() for f in (tmp_path / n).iterdir()} for n in ('plain', 'found')]
    assert kept[0] == kept[1]


def test_readers_error_is_the_same_line_and_what_came_before_is_kept(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    for name in ('a', 'b', 'c'):
        said = rgbd(20)
        if name != 'a':
            said[30] = image(RGB_TOPIC, said[30].time, colours(0), 'rgb8', fields={'step': 7})
        record(tmp_path / 'many' / name, said, 'mcap')
    bags = [BagSource(found) for found in find_recordings([tmp_path / 'many'])]
    told = []
    for readers in (0, 3):
        cache = tmp_path / str(readers)
        with pytest.raises(MMPerceptionError) as error:
            extracted(pipeline, cache, bags, readers)
        told.append((type(error.value), str(error.value)))
        assert len(list(cache.iterdir())) == 1
    assert told[0] == told[1]
    assert 'many/b' in told[0][1]


def test_readers_take_the_processors_that_torch_leaves(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = {}
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 2)
    for processors in (1, 2, 6, 99):
        monkeypatch.setattr(os, 'sched_getaffinity', lambda _, n=processors: set(range(n)))
        for device in ('cpu', 'cuda'):
            monkeypatch.setattr(pipeline, 'device', torch.device(device))
            found[device, processors] = Extractor(pipeline, tmp_path, every=1).readers
    assert [found['cpu', n] for n in (1, 2, 6, 99)] == [0, 0, 4, 16]
    assert [found['cuda', n] for n in (1, 2, 6, 99)] == [0, 1, 5, 16]


def taken_away(file: Path) -> None:
    file.rename(file.with_name('elsewhere'))


def cut(file: Path) -> None:
    with file.open('r+b') as opened:
        opened.truncate(2000)


def added_to(file: Path) -> None:
    with file.open('ab') as opened:
        opened.write(bytes(100))


@pytest.mark.parametrize(
    ('kind', 'accident', 'moment'),
    [
        ('mcap', taken_away, 'before'),
        ('sqlite3', cut, 'before'),
        ('sqlite3', taken_away, 'of the one before'),
        ('mcap', cut, 'of its own'),
        *(
            pytest.param(kind, accident, moment, marks=pytest.mark.long)
            for kind in ('mcap', 'sqlite3')
            for accident in (taken_away, cut, added_to)
            for moment in ('of the one before', 'of its own')
        ),
    ],
)
def test_bag_that_vanishes_or_changes_is_named_and_the_others_are_kept(
    pipeline: Pipeline, tmp_path: Path, kind: str, accident: Callable[[Path], None], moment: str
) -> None:
    for name, frames in {'a': 1, 'b': 17, 'c': 1}.items():
        record(tmp_path / 'many' / name, rgbd(frames), kind)
    bags = [BagSource(found) for found in find_recordings([tmp_path / 'many'])]
    [file] = bags[1].recording.files
    whole, stat = file.read_bytes(), file.stat()
    # Batches are of 16, so that b has two.
    batches, when = [0], {'before': 0, 'of the one before': 1, 'of its own': 2}[moment]

    def on_batch(count: int) -> None:
        batches[0] += bool(count)
        if count and batches[0] == when:
            accident(file)

    cache = tmp_path / 'cache'
    if moment == 'before':
        accident(file)
    with pytest.raises(RecordingError, match=r'many/b|^b: changed'):
        Extractor(pipeline, cache, 1, on_batch)(bags)
    kept = len(list(cache.glob('*'))) if cache.exists() else 0
    file.unlink(missing_ok=True)
    file.write_bytes(whole)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = Extractor(pipeline, cache, 1)
    assert [len(rows) for rows in again(bags)] == [1, 17, 1]
    assert again.reused == kept
    assert kept == (moment != 'before' or accident is cut)


def test_labels_are_joined_in_the_order_of_the_rows(
    pipeline: Pipeline, source: Source, tmp_path: Path
) -> None:
    extract = Extractor(pipeline, tmp_path / 'cache', every=1)

    def label_of(name: str, time: int) -> str | None:
        if name == 'shaky':
            return 'bowl'
        return 'mug' if time > 400_000_000 else None

    dataset = load_dataset([source, Shaky(good=2, breaks=False)], label_of, extract)
    assert dataset.classes() == ('bowl', 'mug')
    joined = dataset.training_data(('mug', 'bowl'))
    assert joined.labels.tolist() == [UNLABELLED] * 4 + [0] * 4 + [1] * 2
    assert dataset.training_data(('mug',)).labels.tolist()[-2:] == [UNLABELLED] * 2
    assert joined.features['rgb'].shape == (10, 512)
    assert dataset.thumbnails()['rgb'].shape == (10, 72, 72, 3)
    places = dataset.places()
    assert [name for name, _ in places] == ['mug_1'] * 8 + ['shaky'] * 2
    # From the bag's start as label files count it, not from the first pair.
    assert places[3][1] == pytest.approx(0.305)


def test_nothing_to_learn_from_is_said(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match='shaky: no observation with both'):
        load_dataset(
            [Shaky(good=0, breaks=False)],
            lambda *_: None,
            Extractor(pipeline, tmp_path, every=1),
        )


def test_real_washington_crops_become_rows(
    pipeline: Pipeline, shared_data: Path, tmp_path: Path
) -> None:
    sources = washington_sources(shared_data / 'uw_rgbd')
    extract = Extractor(pipeline, tmp_path, every=100)
    dataset = load_dataset(sources[:1], lambda *_: 'apple', extract)
    [rows] = dataset.rows
    assert sources[0].category == 'apple'
    assert 0 < len(rows) <= len(sources[0].crops) / 20  # it holds every second video frame
    assert rows.features['depth'].isfinite().all()
    assert 0 <= dataset.places()[0][1] < 60  # of the first of its videos, an hour apart
