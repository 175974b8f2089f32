# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import os
import shutil
import threading
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from bundles import make_bundle

from mm_perception.classifier import Classifier
from mm_perception.engines import REFERENCE, EngineSettings
from mm_perception.errors import BundleError
from mm_perception.manifest import MANIFEST
from mm_perception.observation import Modality
from mm_perception.serving import pool as subject
from mm_perception.serving.pool import ClassifierPool, Share

PATIENCE = 30.0


class Watched(Classifier):
    """One that notes what happens to it."""

    def __init__(self, *arguments: Any) -> None:
        self.told: list[str] = []
        super().__init__(*arguments)

    def warm_up(self, at_once: int = 1) -> None:
        self.told.append(f'warm up for {at_once}')

    def close(self) -> None:
        self.told.append('close')


@pytest.fixture(scope='module')
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp('bundles') / 'bundle')


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> ClassifierPool:
    monkeypatch.setattr(subject, 'Classifier', Watched)
    return ClassifierPool(3)


def share(pool: ClassifierPool, path: Path, **other: Any) -> Share:
    wanted = {'device': 'cpu', 'weights': None, 'engines': REFERENCE, **other}
    return pool.share(path, said=lambda _: None, **wanted)


def told(one: Share) -> list[str]:
    assert isinstance(one.classifier, Watched)
    return one.classifier.told


def test_cameras_with_the_same_settings_have_one_classifier(
    pool: ClassifierPool, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = share(pool, bundle)
    monkeypatch.chdir(bundle.parent)
    assert share(pool, Path(bundle.name)).classifier is first.classifier


def test_cameras_with_other_settings_have_their_own(
    pool: ClassifierPool, bundle: Path, tmp_path: Path
) -> None:
    other = make_bundle(tmp_path / 'other', Modality.RGB)
    shares = [
        share(pool, bundle),
        share(pool, bundle, engines=EngineSettings('torch', 'bfloat16')),
        share(pool, bundle, weights=tmp_path / 'none'),
        share(pool, bundle, device='auto'),
        share(pool, other),
    ]
    assert len({id(each.classifier) for each in shares}) == len(shares)


def test_bundle_that_was_replaced_on_disk_is_read_for_whoever_comes_then(
    pool: ClassifierPool, bundle: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(bundle, tmp_path / 'bundle'))
    before = share(pool, path)
    shutil.rmtree(path)
    make_bundle(path, Modality.RGB)
    after = share(pool, path)
    assert before.classifier.modalities == tuple(Modality)
    assert after.classifier.modalities == (Modality.RGB,)


def test_it_is_on_the_device_from_the_first_activate_to_the_last_deactivate(
    pool: ClassifierPool, bundle: Path
) -> None:
    shares = [share(pool, bundle) for _ in range(3)]
    workers = {id(each.activate()) for each in shares[:2]}
    for each in shares[:2]:
        each.deactivate()
        each.deactivate()  # once more changes nothing
        if each is shares[0]:
            workers.add(id(shares[2].activate()))
            assert told(each) == ['warm up for 3']
    assert len(workers) == 1
    assert told(shares[0]) == ['warm up for 3']
    shares[2].deactivate()
    assert told(shares[0]) == ['warm up for 3', 'close']
    shares[1].activate()
    assert told(shares[0])[2:] == ['warm up for 3']


def test_the_last_one_to_clean_up_takes_it_out_of_memory(
    pool: ClassifierPool, bundle: Path
) -> None:
    first, second = share(pool, bundle), share(pool, bundle)
    there = ref(first.classifier)
    del first
    assert share(pool, bundle).classifier is second.classifier
    del second
    gc.collect()
    assert there() is None
    assert not pool._shared


def test_a_refused_bundle_leaves_nothing_behind(pool: ClassifierPool, tmp_path: Path) -> None:
    path = tmp_path / 'bundle'
    for _ in range(2):
        with pytest.raises(BundleError):
            share(pool, path)
    make_bundle(path)
    assert share(pool, path).classifier.modalities == tuple(Modality)


def test_a_classifier_that_hangs_is_given_to_nobody_else(
    pool: ClassifierPool, bundle: Path
) -> None:
    first, second = share(pool, bundle), share(pool, bundle)
    hanging = first.classifier
    first.leave(halted=False)
    third = share(pool, bundle)
    assert third.classifier is not hanging
    assert second.classifier is hanging
    assert share(pool, bundle).classifier is third.classifier


def test_the_last_one_to_leave_takes_the_classifier_along(
    pool: ClassifierPool, bundle: Path
) -> None:
    first, second = share(pool, bundle), share(pool, bundle)
    first.activate()
    there = ref(first.classifier)
    second.leave(halted=True)
    assert there() is not None
    assert told(first) == ['warm up for 3']
    first.leave(halted=True)
    assert there() is None


def test_cameras_that_configure_at_the_same_time_wait_for_one_reading(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Classifier] = []
    reading, go_on = threading.Event(), threading.Event()

    def read(*arguments: Any) -> Classifier:
        reading.set()
        assert go_on.wait(PATIENCE)
        made.append(Watched(*arguments))
        return made[-1]

    monkeypatch.setattr(subject, 'Classifier', read)
    pool, shares = ClassifierPool(3), list[Share]()
    threads = [
        threading.Thread(target=lambda: shares.append(share(pool, bundle))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert reading.wait(PATIENCE)
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(made) == 1
    assert [each.classifier for each in shares] == made * 3


def test_a_manifest_that_is_a_pipe_is_refused_and_not_waited_for(
    pool: ClassifierPool, bundle: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(bundle, tmp_path / 'bundle'))
    (own / MANIFEST).unlink()
    os.mkfifo(own / MANIFEST)
    with pytest.raises(BundleError, match=MANIFEST):
        share(pool, own)
