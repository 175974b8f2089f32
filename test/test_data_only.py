# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles, weights, checkpoints and data are data: reading them runs nothing and calls nobody.

All cases run in one process under an audit hook, Python's own record of what it is about to do;
a hook cannot be taken off again, hence the process. The hook refuses, and remembers what it
refused: code that swallows the refusal is seen all the same.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from bundles import make_bundle

from mm_perception.manifest import _CHECKSUM, MANIFEST, WEIGHTS

GUARDED = """
import json, sys
from pathlib import Path

import numpy as np
import torch

from mm_perception.bundle import Bundle
from mm_perception.classifier import Classifier
from mm_perception.errors import MMPerceptionError
from mm_perception.features import read_weights
from mm_perception.observation import Frame, Modality, Observation
from training.fitting.checkpoint import load_checkpoint
from training.features.dataset import _read as read_features
from training.paper.digits.mnist import read_mnist as load_mnist

folder = Path(sys.argv[1])
REFUSED = ('pickle.find_class', 'exec', 'code.__new__', 'import', 'ctypes.', 'socket.',
           'subprocess.', 'os.system', 'os.exec', 'os.spawn', 'os.posix_spawn', 'os.fork',
           'os.startfile', 'pty.spawn', 'webbrowser.', 'urllib.Request', 'http.client.')
seen, watching = [], False


def written_by_torch_fx(event, arguments):
    # A backbone is cut at a layer by torch.fx, which writes Python of the network's own graph.
    name = getattr(arguments[0], 'co_filename', '') if event == 'exec' else ''
    return name.startswith('<eval_with_key>')


def hook(event, arguments):
    if watching and event.startswith(REFUSED) and not written_by_torch_fx(event, arguments):
        seen.append(f'{event} {arguments!r}'[:200])
        raise PermissionError(event)


def features(name):
    return lambda: read_features(folder / name, 'recording')


def checkpoint():
    network = torch.nn.Linear(1, 1)
    load_checkpoint(folder / 'checkpoint', 'run', network, torch.optim.Adam(network.parameters()))


def classify():
    classifier = Classifier(folder / 'bundle', 'cpu')
    classifier.warm_up()
    rng = np.random.default_rng(0)
    frames = {
        Modality.RGB: rng.integers(0, 255, (120, 160, 3), dtype=np.uint8),
        Modality.DEPTH: rng.uniform(0.5, 2, (120, 160)).astype(np.float32),
    }
    classifier.classify(Observation.of(*(Frame(m, 1, 'eye', i) for m, i in frames.items())))


CASES = {
    'bundle': lambda: Bundle.load(folder / 'bundle'),
    'classifier': classify,
    'manifest': lambda: Bundle.load(folder / 'manifest'),
    'head': lambda: Bundle.load(folder / 'head'),
    'backbone': lambda: Classifier(folder / 'backbone', 'cpu'),
    'weights': lambda: read_weights(folder / 'weights.pth'),
    'evil.pth': lambda: read_weights(folder / 'evil.pth'),
    'evil.pkl': lambda: read_weights(folder / 'evil.pkl'),
    'evil.safetensors': lambda: read_weights(folder / 'evil.safetensors'),
    'checkpoint': checkpoint,
    'features': features('features'),
    'mnist': lambda: load_mnist(folder / 'mnist.npz'),
    'control: unpickles': lambda: torch.load(folder / 'evil.pth', weights_only=False),
    'control: runs': lambda: exec('1'),
    'control: calls': lambda: __import__('socket').create_connection(('127.0.0.1', 9)),
    'control: starts': lambda: __import__('subprocess').run(['true']),
}
sys.addaudithook(hook)
told = {}
for name, case in CASES.items():
    if not name.startswith('control'):
        try:
            case()  # for what is imported and made ready at the first time alone
        except MMPerceptionError:
            pass
    seen.clear()
    watching = True
    try:
        case()
        answer = 'read'
    except BaseException as error:
        answer = f'{type(error).__name__}: {error}'
    watching = False
    told[name] = {'answer': answer, 'seen': list(seen)}
print(json.dumps(told))
"""


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def forge(bundle: Path, path: Path, files: dict[str, Path], **fields: Any) -> None:
    """Copy a bundle with other files and fields, and checksums that fit them."""
    shutil.copytree(bundle, path)
    manifest = yaml.safe_load(
        (path / MANIFEST).read_text(encoding='utf-8').rpartition(_CHECKSUM)[0]
    )
    for name, file in files.items():
        shutil.copyfile(file, path / name)
        manifest['files'][name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    write_manifest(path, yaml.safe_dump({**manifest, **fields}))


def write_manifest(path: Path, body: str) -> None:
    checksum = hashlib.sha256(body.encode()).hexdigest()
    (path / MANIFEST).write_text(f'{body}{_CHECKSUM}{checksum}\n', encoding='utf-8')


def lay_out(folder: Path, mark: Path) -> None:
    """Write what is read: good files, and files that leave the mark if they are run."""
    evil = Evil(mark)
    bundle = make_bundle(folder / 'bundle')
    torch.save({'x': torch.zeros(3)}, folder / 'weights.pth')
    torch.save({'x': evil}, folder / 'evil.pth')
    for name in ('evil.pkl', 'evil.safetensors', 'checkpoint', 'features'):
        (folder / name).write_bytes(pickle.dumps(evil))
    arrays = {f'{kind}_{part}': np.array([evil]) for kind in 'xy' for part in ('train', 'test')}
    np.savez(folder / 'mnist.npz', **arrays)
    forge(bundle, folder / 'manifest', {})
    write_manifest(
        folder / 'manifest',
        f'!!python/object/apply:pathlib.Path.touch [[!!python/name:x {mark}]]\n',
    )
    forge(bundle, folder / 'head', {WEIGHTS: folder / 'evil.pth'})
    manifest = yaml.safe_load((bundle / MANIFEST).read_text(encoding='utf-8'))
    for backbone in manifest['pipeline']['backbones'].values():
        backbone['weights'] = 'file'
    names = dict.fromkeys(manifest['pipeline']['backbones'], 'evil.pth')
    files = {'evil.pth': folder / 'evil.pth'}
    fields = {'pipeline': manifest['pipeline'], 'backbone_files': names}
    forge(bundle, folder / 'backbone', files, **fields)


@pytest.fixture(scope='module')
def mark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('marks') / 'was here'


@pytest.fixture(scope='module')
def told(tmp_path_factory: pytest.TempPathFactory, mark: Path) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp('files')
    lay_out(folder, mark)
    done = subprocess.run(
        [sys.executable, '-c', GUARDED, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize('case', ['bundle', 'classifier', 'weights'])
def test_what_is_good_is_read_and_nothing_is_run(told: dict[str, Any], case: str) -> None:
    assert told[case] == {'answer': 'read', 'seen': []}


@pytest.mark.parametrize(
    ('case', 'error'),
    [
        ('manifest', 'BundleError: .*manifest.yaml: not a valid manifest'),
        ('head', 'BundleError: .*weights.safetensors: cannot be read'),
        ('backbone', 'WeightsError: .*evil.pth: does not fit'),
        ('evil.pth', 'WeightsError: .*evil.pth: does not fit'),
        ('evil.pkl', 'WeightsError: .*evil.pkl: does not fit'),
        ('evil.safetensors', 'WeightsError: .*evil.safetensors: does not fit'),
        ('checkpoint', 'TrainingError: .*not a checkpoint'),
        ('features', 'read'),  # as if there were none: they are computed anew
        ('mnist', 'TrainingError: .*not an mnist.npz'),
    ],
)
def test_what_would_run_if_it_were_unpickled_is_refused_and_does_not(
    told: dict[str, Any], mark: Path, case: str, error: str
) -> None:
    assert re.match(error, told[case]['answer'])
    assert told[case]['seen'] == []
    assert not mark.exists()


def test_the_guard_sees_what_it_is_there_to_see(told: dict[str, Any], mark: Path) -> None:
    seen = {case: words['seen'] for case, words in told.items() if case.startswith('control')}
    assert len(seen) == 4
    for case, event in (
        ('unpickles', 'pickle.find_class'),
        ('runs', 'exec'),
        ('calls', 'socket.'),
        ('starts', 'subprocess.Popen'),
    ):
        assert seen[f'control: {case}'][0].startswith((event, 'import')), seen
    assert not mark.exists()
