# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Backbones are tuned on the labelled frames that train, and the bundle carries what came of it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_washington import coloured, write_crops
from rich.console import Console
from safetensors.torch import load_file
from squeezenet import write_weights
from tables import BESIDE, CUP, Table, TableSource

from mm_perception.bundle import Bundle
from mm_perception.errors import SettingsError
from mm_perception.pipeline import Pipeline
from training.backbones.shown import Shown, shown
from training.backbones.tuned import held_out_recordings
from training.features.reading import Reading
from training.material import washington_material
from training.recipe import read_recipe
from training.session import Setting, run_session

COLOURS = {'apple': (200, 40, 30), 'ball': (30, 60, 200)}
SMALL = [
    *(f'pipeline.backbones.{m}={{name: squeezenet1_0, weights: file}}' for m in ('rgb', 'depth')),
    'pipeline.preprocessing={size: 36, depth_encoding: normals}',
    'model.widths={hidden: 16, a: 8, z: 8}',
    'labelled_fraction=0.3',
    'optimisation.epochs=2',
    'finetune={epochs: 3, batch_size: 8, precision: float32}',
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    instances = 'apple_1', 'apple_2', 'apple_3', 'ball_1', 'ball_2', 'ball_3'
    return write_crops(tmp_path / 'made', instances, 49, coloured(COLOURS))


def test_bundle_carries_backbones_tuned_on_what_trains(folder: Path, tmp_path: Path) -> None:
    given_file = write_weights(tmp_path)
    said = io.StringIO()
    setting = Setting(
        tmp_path / 'model',
        torch.device('cpu'),
        tmp_path / 'cache' / 'features',
        given_file,
        console=Console(file=said, width=200),
    )
    held_out = frozenset({'apple_3', 'ball_3'})
    outcome = run_session(
        read_recipe(Path('washington'), SMALL), setting, washington_material(folder), held_out
    )
    bundle = Bundle.load(outcome.bundle)
    assert {file.name for file in bundle.backbone_weights.values()} == {
        'backbone_rgb.safetensors',
        'backbone_depth.safetensors',
    }
    before = load_file(given_file)
    for modality, file in bundle.backbone_weights.items():
        after = load_file(file)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed, modality
        assert not {name for name in changed if name.startswith('features.0.')}  # frozen
    Pipeline(bundle.manifest.pipeline, bundle.backbone_weights)  # the fingerprints fit
    text = said.getvalue()
    told = re.findall(r'(\d+) labelled frames right; stopped by (apple_.), (ball_.)', text)
    assert len(told) == 2
    for count, *watched in told:
        assert int(count) < 12  # of 12; the others told when
        assert not held_out & set(watched)


def test_backbones_are_tuned_on_the_objects_on_a_table_that_the_rows_show() -> None:
    recipe = read_recipe(None, ['pipeline.region.kind=tabletop', 'every=1'])
    source = TableSource((Table(), *(Table(blocks=(CUP, BESIDE)),) * 3))  # at first it is bare
    (batch,) = Reading(source, 1, recipe.pipeline)
    labels = dict.fromkeys(batch.times[::2], 0)
    found = list(shown([source], {source.name: labels}, recipe))
    assert len(found) == len(labels) == 2
    for row, each in zip((0, 2), found, strict=True):
        for modality, images in batch.images.items():
            assert (each.images[modality] == images[row]).all()


def test_a_label_curve_of_tuned_backbones_is_refused() -> None:
    with pytest.raises(SettingsError, match='efficiency and finetune'):
        read_recipe(Path('demo'), ['finetune={}'])


def moment(recording: str, label: int) -> Shown:
    return Shown(recording, label, {}, {})


@given(st.lists(st.tuples(st.sampled_from('abcdefg'), st.integers(0, 3)), max_size=20))
def test_every_class_keeps_a_recording_to_learn_from(pairs: list[tuple[str, int]]) -> None:
    frames = [moment(*pair) for pair in pairs]
    chosen = held_out_recordings(frames, 0)
    left = {each.number for each in frames if each.recording not in chosen}
    assert left == {each.number for each in frames}
    told = {each.number for each in frames if each.recording in chosen}
    assert len(told) != 1
    assert held_out_recordings(frames, 0) == chosen


def test_one_recording_of_each_class_that_has_several_tells_when_to_stop() -> None:
    frames = [
        moment(*pair) for pair in (('a', 0), ('b', 0), ('c', 1), ('d', 1), ('d', 1), ('e', 2))
    ]
    chosen = held_out_recordings(frames, 0)
    assert len(chosen & {'a', 'b'}) == len(chosen & {'c', 'd'}) == 1
    assert 'e' not in chosen
    assert held_out_recordings(frames[:2] + frames[5:], 0) == frozenset()
