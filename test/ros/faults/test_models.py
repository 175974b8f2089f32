# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles that change, break or vanish on disk, under a node that goes on."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from bundles import CLASSES, make_bundle
from outside import DEPTH, NAMESPACE, RGB, Camera, NodeProcess, Outside, Said, until

from mm_perception.bundle import Bundle, save_bundle
from mm_perception.head import Head
from mm_perception.manifest import MANIFEST, WEIGHTS
from mm_perception.observation import Modality

if TYPE_CHECKING:
    from trial import Trial

LONG = pytest.mark.long
OTHERS = ('ball', 'box', 'can', 'cup')
HUGE = 4 * 2**30  # bytes, of a file that takes no room on the disk
MEMORY = 256 * 2**20  # bytes that a refusal may take for a while


@pytest.fixture
def own(tmp_path: Path, bundle: Path) -> Path:
    """Make a copy of the bundle that may be broken."""
    return Path(shutil.copytree(bundle, tmp_path / 'own'))


@pytest.fixture(autouse=True)
def usual_model(outside: Outside, bundle: Path) -> Iterator[None]:
    """Give the node its usual model back."""
    yield
    outside.bring_to('unconfigured')
    assert outside.set(model=str(bundle))[0]


@contextmanager
def labelling(outside: Outside, model: Path, mode: str = 'rgbd') -> Iterator[Camera]:
    """Label what a camera shows with a model."""
    outside.bring_to('unconfigured')
    assert outside.set(model=str(model))[0]
    outside.bring_to('active')
    camera = Camera(outside.publish)
    try:
        outside.wait_for_labels(mode, 3)
        yield camera
    finally:
        camera.stop()


def remake(path: Path, classes: tuple[str, ...], seed: int) -> None:
    """Put another bundle in a bundle's place, as training does."""
    manifest = Bundle.load(path).manifest
    model = manifest.model.model_copy(update={'classes': len(classes)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = Head(model)
    fields = manifest.model_dump(exclude={'files', 'backbone_files'})
    save_bundle(path, head, {**fields, 'classes': classes, 'model': model}, {})


def classes_of(said: Said) -> tuple[str, ...]:
    names = [key.removeprefix('score/') for key in said.values if key.startswith('score/')]
    return tuple(sorted(names))


def only(*classes: str) -> Callable[[Said], str | None]:
    """Have every label be one of these classes, and name no other."""

    def check(said: Said) -> str | None:
        fits = classes_of(said) == tuple(sorted(classes)) and said.values['label'] in classes
        return None if fits else f'not of the classes {classes}'

    return check


def reconfigure(outside: Outside) -> bool:
    """Read the model anew and go on; return whether it was taken."""
    outside.bring_to('unconfigured')
    return outside.transit('configure') and outside.transit('activate')


def test_other_classes_in_the_bundles_place_are_said_only_after_the_next_configure(
    trial: Trial, outside: Outside, own: Path
) -> None:
    with labelling(outside, own) as camera:
        trial.checks = [only(*CLASSES)]
        with trial.of(
            'model',
            'bundle replaced by one of other classes while active',
            'the loaded one labels on, also after deactivate and activate',
            camera,
        ):
            remake(own, OTHERS, 1)
            outside.wait_for_labels('rgbd', 3)
            assert outside.transit('deactivate')
            assert outside.transit('activate')
            outside.wait_for_labels('rgbd', 3)
            outside.bring_to('unconfigured')
        trial.checks = [only(*OTHERS)]
        with trial.of('model', 'then configured anew', 'only the new classes', camera):
            assert reconfigure(outside)
            outside.wait_for_labels('rgbd', 3)
        status = outside.report('model', lambda s: s.level == b'\0', 'OK')
        assert status.message.startswith('4 classes from ')


@LONG
def test_other_weights_in_the_bundles_place_are_used_only_after_the_next_configure(
    trial: Trial, outside: Outside, own: Path
) -> None:
    def scores(said: Said) -> dict[str, str]:
        return {name: value for name, value in said.values.items() if name.startswith('score/')}

    assert outside.set(frozen_repeats=0)[0]
    try:
        with labelling(outside, own) as camera:
            for modality in Modality:
                still = camera._scene[modality]
                camera.change(modality, lambda _, still=still: still)
            time.sleep(1.0)
            before = scores(outside.wait_for_labels('rgbd', 1)[0])
            same: Callable[[Said], str | None] = lambda said: (  # noqa: E731 - used once, here
                None if said.mode != 'rgbd' or scores(said) == before else 'other scores'
            )
            trial.checks = [same]
            with trial.of(
                'model',
                'bundle retrained in place while active',
                'the same picture has the same scores until configured anew',
                camera,
            ):
                remake(own, CLASSES, 2)
                outside.wait_for_labels('rgbd', 10)
                outside.bring_to('unconfigured')
            assert reconfigure(outside)
            assert scores(outside.wait_for_labels('rgbd', 1)[0]) != before
    finally:
        assert outside.set(frozen_repeats=2)[0]


def test_bundle_that_vanishes_is_labelled_with_until_the_next_configure(
    trial: Trial, outside: Outside, own: Path, tmp_path: Path
) -> None:
    with labelling(outside, own) as camera:
        trial.checks = [only(*CLASSES)]
        with trial.of(
            'model',
            'bundle deleted while active',
            'labels go on; configure says what is missing; back once it is',
            camera,
        ):
            shutil.move(own, tmp_path / 'away')
            assert outside.transit('deactivate')
            assert outside.transit('activate')
            outside.wait_for_labels('rgbd', 3)
            assert not reconfigure(outside)
            assert outside.state() == 'unconfigured'
            status = outside.report('model', lambda s: s.level == b'\2', 'ERROR')
            assert f'{own}: no such bundle folder' in status.message
            shutil.move(tmp_path / 'away', own)
            assert reconfigure(outside)
            outside.wait_for_labels('rgbd', 3)


def test_weights_that_are_cut_off_while_active_do_not_end_the_node(
    trial: Trial, outside: Outside, own: Path, perception: NodeProcess
) -> None:
    # Weights that were only mapped into memory would end the process at the next look at them.
    with labelling(outside, own) as camera:
        trial.checks = [only(*CLASSES)]
        with trial.of('model', 'weights cut off in place while active', 'labels go on', camera):
            os.truncate(own / WEIGHTS, 0)
            outside.wait_for_labels('rgbd', 3)
            assert outside.transit('deactivate')
            assert outside.transit('activate')
            outside.wait_for_labels('rgbd', 3)
            assert perception.process.poll() is None


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _grow(file: Path) -> None:
    with file.open('ab') as opened:
        opened.write(b'# ' + b'x' * 1000)
        opened.truncate(HUGE)


def _replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _replace_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


BROKEN = {
    'a bit of the weights flipped': lambda own: _flip(own / WEIGHTS),
    'weights cut off': lambda own: _cut(own / WEIGHTS),
    'weights empty': lambda own: os.truncate(own / WEIGHTS, 0),
    'weights missing': lambda own: (own / WEIGHTS).unlink(),
    'weights a folder': lambda own: _replace_by_folder(own / WEIGHTS),
    'weights a pipe': lambda own: _replace_by_pipe(own / WEIGHTS),
    'a bit of the manifest flipped': lambda own: _flip(own / MANIFEST),
    'manifest cut off': lambda own: _cut(own / MANIFEST),
    'manifest of 4 GiB': lambda own: _grow(own / MANIFEST),
    'manifest a pipe': lambda own: _replace_by_pipe(own / MANIFEST),
    'manifest not text': lambda own: (own / MANIFEST).write_bytes(b'\xff\xfe\0' * 100),
    'folder empty': _empty,
}


def peak(pid: int) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f'/proc/{pid}/status').read_text()
    return 1024 * int(status.split('VmHWM:')[1].split()[0])


def test_broken_bundle_is_refused_in_one_line_and_nothing_is_labelled_with_it(
    trial: Trial, outside: Outside, perception: NodeProcess, tmp_path: Path, bundle: Path
) -> None:
    camera = Camera(outside.publish)
    Path(f'/proc/{trial.pid}/clear_refs').write_text('5')  # the peak begins anew
    before = peak(trial.pid)
    trial.checks = [lambda _: 'labelled with a broken bundle']
    try:
        for number, (fault, damage) in enumerate(BROKEN.items()):
            own = Path(shutil.copytree(bundle, tmp_path / str(number)))
            damage(own)
            assert outside.set(model=str(own))[0]
            with trial.of('model', fault, 'refused in one line that names it; no label'):
                known = len(perception.text())
                assert not outside.transit('configure')
                assert outside.state() == 'unconfigured'
                lines = [line for line in perception.text()[known:].splitlines() if line]
                assert len(lines) == 1, lines
                assert lines[0].startswith('[ERROR]')
                assert str(own) in lines[0]
    finally:
        camera.stop()
    assert peak(trial.pid) - before < MEMORY


ONE_EYED = [
    pytest.param(RGB, DEPTH, marks=LONG),
    pytest.param(DEPTH, RGB),
]


@pytest.mark.parametrize(('seen', 'unseen'), ONE_EYED)
def test_bundle_of_one_modality_hears_it_alone_and_says_nothing_without_it(
    trial: Trial, outside: Outside, tmp_path: Path, seen: Modality, unseen: Modality
) -> None:
    model = make_bundle(tmp_path / 'one', seen)
    with labelling(outside, model, str(seen)) as camera:
        not_it: Callable[[Said], str | None] = lambda said: (  # noqa: E731 - used once, here
            None if said.mode == str(seen) else f'mode {said.mode}'
        )
        trial.checks = [not_it, only(*CLASSES)]
        with trial.of(
            'model',
            f'bundle of {seen} alone',
            f'labels from {seen}, none without it; {unseen} is not listened to',
            camera,
        ):
            assert not outside.node.count_subscribers(f'{NAMESPACE}/{unseen}/image')
            camera.only(seen)
            outside.wait_for_labels(str(seen), 3)
            camera.only(unseen)
            outside.wait_for_mode('none')
            quiet = time.time_ns()
            time.sleep(0.5)
            assert not outside.labels_since(quiet)
            camera.only(*Modality)
            outside.wait_for_labels(str(seen), 3)


@LONG
def test_bundle_is_taken_whole_or_not_at_all_while_it_is_rewritten(
    trial: Trial, outside: Outside, own: Path
) -> None:
    sets = [tuple(sorted(names)) for names in (CLASSES, OTHERS)]
    over, written, taken = threading.Event(), [0], [0, 0]

    def rewrite() -> None:
        while not over.wait(0.1):  # the camera shares this process
            remake(own, (OTHERS, CLASSES)[written[0] % 2], written[0])
            written[0] += 1

    def whole(said: Said) -> str | None:
        return None if classes_of(said) in sets else f'a mixture: {classes_of(said)}'

    trial.checks = [whole]
    outside.bring_to('unconfigured')
    # Every bundle is another one, for which engines would be measured.
    assert outside.set(engine='torch', precision='float32')[0]
    with labelling(outside, own) as camera:
        writer = threading.Thread(target=rewrite, daemon=True)
        writer.start()
        try:
            with trial.of(
                'model', 'bundle rewritten all the time', 'one of them whole, or refused', camera
            ):
                until(lambda: _read_anew(outside, taken) >= 20, 'configured 20 times')
        finally:
            over.set()
            writer.join()
        assert written[0] > 1
        assert reconfigure(outside)
    outside.bring_to('unconfigured')
    assert outside.set(engine='auto', precision='auto')[0]


def _read_anew(outside: Outside, taken: list[int]) -> int:
    """Configure, label if that was taken, and count it."""
    accepted = reconfigure(outside)
    taken[accepted] += 1
    if accepted:
        said = outside.wait_for_labels('rgbd', 3)
        assert len({classes_of(one) for one in said}) == 1
    return taken[True]
