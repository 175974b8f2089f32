# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from bundles import CLASSES, make_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from mm_perception.bundle import Bundle, save_bundle
from mm_perception.errors import BundleError
from mm_perception.head import Head
from mm_perception.manifest import MANIFEST, WEIGHTS
from mm_perception.observation import Modality
from mm_perception.trust import TrustSettings


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp('bundles') / 'bundle')


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / 'bundle'))


def rewrite(bundle: Path, **changes: Any) -> None:
    """Change the manifest's fields and sign it anew, as somebody with bad intentions would."""
    file = bundle / MANIFEST
    content = yaml.safe_load(file.read_text()) | changes
    content['files'] |= {WEIGHTS: hashlib.sha256((bundle / WEIGHTS).read_bytes()).hexdigest()}
    body = yaml.safe_dump(content)
    digest = hashlib.sha256(body.encode()).hexdigest()
    file.write_text(f'{body}# sha256 of all above: {digest}\n')


def refused(bundle: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Bundle.load(bundle)
    message = str(caught.value)
    assert str(bundle) in message
    assert '\n' not in message
    return message


def test_what_was_saved_is_what_is_loaded(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    assert loaded.manifest.classes == CLASSES
    features = {'rgb': torch.rand(4, 512), 'depth': torch.rand(4, 512)}
    again = Bundle.load(bundle).head(features).probabilities
    assert torch.equal(loaded.head(features).probabilities, again)
    assert again.shape == (4, len(CLASSES))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from([MANIFEST, WEIGHTS]))
def test_any_flipped_byte_is_noticed(bundle: Path, data: st.DataObject, name: str) -> None:
    file = bundle / name
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
    file.write_bytes(whole[:place] + flipped + whole[place + 1 :])
    try:
        assert name in refused(bundle)
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize('name', [MANIFEST, WEIGHTS])
def test_missing_or_cut_file_is_named(bundle: Path, name: str) -> None:
    file = bundle / name
    file.write_bytes(file.read_bytes()[:-20])
    assert name in refused(bundle)
    file.unlink()
    assert name in refused(bundle)


def test_missing_folder_says_what_makes_one(tmp_path: Path) -> None:
    assert 'train fit' in refused(tmp_path / 'nothing')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'format_version': 2}, 'format version 2'),
        ({'classes': ['bowl', 'cap']}, '2 classes, but its model has 3'),
        ({'classes': ['bowl', 'bowl', 'cap']}, 'must differ'),
        ({'classes': ['bowl', 'cap', 'unknown']}, 'must differ'),
        ({'files': {'../../etc/passwd': 'x', WEIGHTS: 'x'}}, 'outside the bundle'),
        ({'backbone_files': {'rgb': '/etc/passwd'}}, 'outside the bundle'),
        ({'surprise': 1}, 'surprise'),
        ({'model': {'modalities': {'rgb': 512}, 'classes': 3}}, 'different modalities'),
    ],
)
def test_manifest_that_lies_is_refused(bundle: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(bundle, **changes)
    assert message in refused(bundle)


def test_weights_that_do_not_fit_are_refused_before_memory_is_taken(bundle: Path) -> None:
    huge = {'hidden': 2_000_000, 'a': 2_000_000, 'z': 2_000_000}  # 16 TB a layer
    content = yaml.safe_load((bundle / MANIFEST).read_text())
    rewrite(bundle, model=content['model'] | {'widths': huge})
    assert 'does not fit' in refused(bundle)


def test_weights_of_another_model_are_refused(bundle: Path) -> None:
    tensors = load_file(bundle / WEIGHTS)
    save_file({k: v for k, v in tensors.items() if 'q_y_a' not in k}, bundle / WEIGHTS)
    rewrite(bundle)
    assert 'q_y_a' in refused(bundle)


def test_manifest_that_is_not_a_mapping_is_refused(bundle: Path) -> None:
    body = '[1, 2]\n'
    digest = hashlib.sha256(body.encode()).hexdigest()
    (bundle / MANIFEST).write_text(f'{body}# sha256 of all above: {digest}\n')
    assert 'not a valid manifest' in refused(bundle)


def test_saving_never_replaces_what_is_not_a_bundle(tmp_path: Path, bundle: Path) -> None:
    mine = tmp_path / 'thesis'
    mine.mkdir()
    (mine / 'chapter1.tex').write_text('years of work')
    loaded = Bundle.load(bundle)
    fields = loaded.manifest.model_dump(exclude={'files', 'backbone_files'})
    with pytest.raises(BundleError, match='nothing was written over'):
        save_bundle(mine, loaded.head, fields, {})
    assert (mine / 'chapter1.tex').read_text() == 'years of work'


def test_failed_save_keeps_the_old_bundle(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    fields = loaded.manifest.model_dump(exclude={'files', 'backbone_files'})
    with pytest.raises(BundleError, match='cannot be written'):
        save_bundle(bundle, loaded.head, fields, {Modality.RGB: bundle / 'no such weights'})
    assert Bundle.load(bundle).manifest == loaded.manifest
    assert sorted(p.name for p in bundle.parent.iterdir()) == ['bundle']


def test_new_bundle_takes_the_old_ones_place(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    fields = loaded.manifest.model_dump(exclude={'files', 'backbone_files'})
    weights = bundle.parent / 'backbone.safetensors'
    save_file({'x': torch.zeros(1)}, weights)
    torch.manual_seed(9)
    head = Head(loaded.manifest.model)
    save_bundle(bundle, head.eval(), fields, {Modality.RGB: weights, Modality.DEPTH: weights})
    again = Bundle.load(bundle)
    assert again.backbone_weights[Modality.RGB].read_bytes() == weights.read_bytes()
    assert again.backbone_weights[Modality.RGB] == again.backbone_weights[Modality.DEPTH]
    features = {'rgb': torch.rand(4, 512)}
    assert torch.equal(again.head(features).probabilities, head(features).probabilities)
    assert not torch.equal(again.head(features).probabilities, loaded.head(features).probabilities)


USUAL = TrustSettings(
    false_rejection=0.01,
    novelty={'rgbd': 3.0, 'rgb': 4.0, 'depth': 5.0},
    false_alarm=0.02,
    contradiction=7.0,
)


def test_what_is_usual_comes_back_with_the_bundle(tmp_path: Path) -> None:
    loaded = Bundle.load(make_bundle(tmp_path / 'bundle', trust=USUAL))
    assert loaded.manifest.trust == USUAL
    judged = loaded.head({'rgb': torch.rand(4, 512), 'depth': torch.rand(4, 512)})
    assert judged.novelty is not None
    assert judged.contradiction is not None
    assert judged.novelty.shape == judged.contradiction.shape == (4,)


def test_thresholds_without_their_classes_are_refused(bundle: Path) -> None:
    rewrite(bundle, trust=USUAL.model_dump())  # but the weights know nothing of them
    assert 'does not fit its manifest' in refused(bundle)


def test_thresholds_of_other_modes_are_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / 'bundle', trust=USUAL)
    rewrite(bundle, trust=USUAL.model_copy(update={'novelty': {'rgb': 3.0}}).model_dump())
    assert 'its trust is not that of' in refused(bundle)


@pytest.mark.parametrize('width', [2**40, 2**62, 2**100])
def test_width_that_no_machine_has_room_for_is_refused(bundle: Path, width: int) -> None:
    content = yaml.safe_load((bundle / MANIFEST).read_text())
    rewrite(bundle, model=content['model'] | {'widths': {'hidden': width, 'a': 4, 'z': width}})
    refused(bundle)


@pytest.mark.parametrize('name', ['', ' ', 'mug\nbowl', 'mug\x1b[2J', 'Unknown'])
def test_class_that_a_robot_cannot_say_is_refused(bundle: Path, name: str) -> None:
    rewrite(bundle, classes=[name, 'bowl', 'cap'])
    assert 'cannot be a class' in refused(bundle)


@pytest.mark.parametrize('what', ['a pipe', 'no end'])
def test_manifest_that_cannot_end_is_not_read(bundle: Path, what: str) -> None:
    (bundle / MANIFEST).unlink()
    if what == 'a pipe':
        os.mkfifo(bundle / MANIFEST)
    else:
        (bundle / MANIFEST).symlink_to('/dev/zero')
    assert 'not a file' in refused(bundle)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e300])
def test_weights_that_are_no_numbers_are_refused(bundle: Path, value: float) -> None:
    tensors = load_file(bundle / WEIGHTS)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name] = torch.full_like(tensors[name], value, dtype=torch.float64)
    save_file(tensors, bundle / WEIGHTS)
    rewrite(bundle)
    assert 'no finite numbers' in refused(bundle)


def test_list_of_itself_is_no_manifest(bundle: Path) -> None:
    body = (bundle / MANIFEST).read_text().rpartition('#')[0] + 'accuracy: &a [*a, *a]\n'
    digest = hashlib.sha256(body.encode()).hexdigest()
    (bundle / MANIFEST).write_text(f'{body}# sha256 of all above: {digest}\n')
    assert 'anchors' in refused(bundle)


def test_whoever_runs_the_robot_may_read_all_of_a_bundle(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / 'bundle')
    assert path.stat().st_mode & 0o777 == 0o755
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o644}
