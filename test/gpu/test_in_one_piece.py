# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A classifier whose inference is one piece of work; where there is no GPU it is not recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from uw_scene import Scene

from mm_perception.classifier import Classifier
from mm_perception.errors import ImageError
from mm_perception.gpu import in_one_piece
from mm_perception.gpu.in_one_piece import InOnePiece
from mm_perception.gpu.recording import Recorder, Unrecorded
from mm_perception.inference import Inference, InStages
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.preprocessing import PreprocessingSettings

if TYPE_CHECKING:
    from pathlib import Path

    from mm_perception.judging import Item, Verdict
    from mm_perception.objects.boxes import Box

RGB, DEPTH = Modality.RGB, Modality.DEPTH
NEAR = 2e-3  # a level of a colour more or less


def always(_: Modality) -> bool:
    return True


def seen(number: int, *modalities: Modality, size: tuple[int, int] = (120, 160)) -> Observation:
    random = np.random.default_rng(number)
    frames = {
        RGB: Frame(RGB, 1, 'eye', random.integers(0, 256, (*size, 3), dtype=np.uint8)),
        DEPTH: Frame(DEPTH, 1, 'eye', random.uniform(0.5, 2, size).astype('f4')),
    }
    return Observation.of(*(frames[m] for m in modalities or Modality))


def with_settings(**settings: Any) -> Callable[[Path], tuple[InOnePiece, InStages]]:
    """Both ways to infer, of one bundle."""

    def made(bundle: Path) -> tuple[InOnePiece, InStages]:
        classifier = Classifier(bundle, 'cpu')
        pipeline, head = classifier.pipeline, classifier.bundle.head
        pipeline.settings = pipeline.settings.model_copy(update=settings)
        piece = InOnePiece(pipeline.settings, pipeline.backbones, head, Unrecorded)
        return piece, InStages(pipeline, head)

    return made


def judged(way: Inference, *items: Item) -> list[Verdict | None]:
    return way.judge(items, [always] * len(items))


def assert_alike(found: Verdict | None, expected: Verdict | None) -> None:
    assert found is not None
    assert expected is not None
    assert found.mode == expected.mode
    assert found.probabilities == pytest.approx(expected.probabilities, abs=NEAR)
    assert found.novelty == pytest.approx(expected.novelty, rel=10 * NEAR)
    if expected.contradiction is None:
        assert found.contradiction is None
    else:
        assert found.contradiction == pytest.approx(expected.contradiction, rel=0.1, abs=NEAR)


@pytest.fixture(scope='module')
def ways(trusting_bundle: Path) -> tuple[InOnePiece, InStages]:
    return with_settings()(trusting_bundle)


@pytest.mark.parametrize('modalities', [(RGB, DEPTH), (RGB,), (DEPTH,)], ids=str)
def test_it_says_what_the_stages_say(
    ways: tuple[InOnePiece, InStages], modalities: tuple[Modality, ...]
) -> None:
    found, expected = (judged(way, way.prepare(seen(7, *modalities)))[0] for way in ways)
    assert_alike(found, expected)


def test_cameras_of_other_sizes_and_modes_are_judged_as_each_would_be_alone(
    ways: tuple[InOnePiece, InStages],
) -> None:
    sights = [
        seen(1),
        seen(2, RGB),
        seen(3, size=(90, 120)),
        seen(4),
        seen(5, DEPTH),
        seen(6),
    ]
    piece, stages = ways
    together = judged(piece, *map(piece.prepare, sights))
    for found, sight in zip(together, sights, strict=True):
        assert_alike(found, judged(stages, stages.prepare(sight))[0])


def test_boxes_of_whatever_size_need_no_recording_of_their_own(trusting_bundle: Path) -> None:
    piece, stages = with_settings()(trusting_bundle)
    sight = seen(1)
    boxes: list[Box] = [(0.1, 0.1, 0.3 + 0.1 * i, 0.5) for i in range(4)]  # type: ignore[list-item]
    for box in boxes:
        found, expected = (judged(way, way.prepare(sight, box))[0] for way in (piece, stages))
        assert_alike(found, expected)
    assert len(piece._recorded) == 1


@pytest.mark.parametrize('encoding', ['normals', 'hha'])
def test_other_encodings_of_depth_come_from_the_processor(
    trusting_bundle: Path, encoding: str
) -> None:
    preprocessing = PreprocessingSettings.model_validate({'depth_encoding': encoding})
    piece, stages = with_settings(preprocessing=preprocessing)(trusting_bundle)
    found, expected = (judged(way, way.prepare(seen(7)))[0] for way in (piece, stages))
    assert_alike(found, expected)


def test_holes_too_many_to_be_filled_on_the_gpu_are_filled_before(
    trusting_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece, stages = with_settings()(trusting_bundle)
    monkeypatch.setattr(in_one_piece, 'can_fill', lambda *_: False)
    assert piece.prepare(seen(7))[DEPTH].dtype == np.uint8
    found, expected = (judged(way, way.prepare(seen(7)))[0] for way in (piece, stages))
    assert_alike(found, expected)


def test_depth_without_any_distance_is_left_out(ways: tuple[InOnePiece, InStages]) -> None:
    piece, _ = ways
    sight = seen(7)
    blind = Frame(DEPTH, 1, 'eye', np.full((120, 160), np.nan, np.float32))
    assert set(piece.prepare(Observation.of(sight.frames[RGB], blind))) == {RGB}
    with pytest.raises(ImageError, match=r'has a distance in 0\.0% of them'):
        piece.prepare(Observation.of(blind))


@pytest.mark.parametrize('lost', [RGB, DEPTH])
def test_sensor_that_is_lost_while_it_computes_has_no_say(
    ways: tuple[InOnePiece, InStages], lost: Modality
) -> None:
    piece, stages = ways
    (left,) = {RGB, DEPTH} - {lost}
    asked = []

    def trusted(modality: Modality) -> bool:
        asked.append(modality)
        return modality is not lost or asked.count(lost) == 1  # as long as it has not begun

    (found,) = piece.judge([piece.prepare(seen(7))], [trusted])
    assert_alike(found, judged(stages, stages.prepare(seen(7, left)))[0])


def test_item_of_which_every_sensor_is_lost_is_not_judged(
    ways: tuple[InOnePiece, InStages],
) -> None:
    piece, _ = ways
    items = [piece.prepare(seen(n)) for n in (1, 2)]
    first, second = piece.judge(items, [lambda _: False, always])
    assert first is None
    assert second is not None


def test_oldest_recordings_go_when_there_are_too_many(
    trusting_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece, stages = with_settings()(trusting_bundle)
    monkeypatch.setattr(in_one_piece, '_MOST', 2)
    for width in (60, 80, 100, 60):
        sight = seen(1, RGB, size=(60, width))
        found, expected = (judged(way, way.prepare(sight))[0] for way in (piece, stages))
        assert_alike(found, expected)
        assert len(piece._recorded) <= 2


def test_what_cannot_be_recorded_is_told_and_labelled_all_the_same(trusting_bundle: Path) -> None:
    classifier, lines = Classifier(trusting_bundle, 'cpu'), list[str]()
    pipeline, head = classifier.pipeline, classifier.bundle.head

    def refuse(*_: object) -> Unrecorded:
        raise RuntimeError('operation not permitted when stream is capturing')

    piece = InOnePiece(pipeline.settings, pipeline.backbones, head, refuse, lines.append)
    for number in (1, 2):
        stages = InStages(pipeline, head)
        found, expected = (judged(way, way.prepare(seen(number)))[0] for way in (piece, stages))
        assert_alike(found, expected)
    assert len(lines) == 1
    assert 'not permitted when stream is capturing' in lines[0]


def test_real_kinects_scene_has_the_same_labels(trusting_bundle: Path, shared_data: Path) -> None:
    scene = Scene(shared_data / 'uw_scene01')
    piece, stages = with_settings()(trusting_bundle)
    for number in range(0, 120, 60):
        sight = scene.observation(number)
        found, expected = (judged(way, way.prepare(sight))[0] for way in (piece, stages))
        assert_alike(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU here')
def test_recording_computes_what_starting_each_kernel_does(trusting_bundle: Path) -> None:
    classifier = Classifier(trusting_bundle, 'cuda')
    classifier.warm_up()
    parts = classifier.pipeline.settings, classifier.pipeline.backbones, classifier.bundle.head
    recorded, unrecorded = (InOnePiece(*parts, way) for way in (Recorder(), Unrecorded))
    for number in range(8):
        item = recorded.prepare(seen(number))
        assert_alike(judged(recorded, item)[0], judged(unrecorded, item)[0])
        several = [recorded.prepare(seen(number + n)) for n in range(3)]
        for found, expected in zip(judged(recorded, *several), several, strict=True):
            assert_alike(found, judged(unrecorded, expected)[0])
