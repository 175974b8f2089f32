# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The command as a user meets it: what it makes, and what it says of bad input."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
import yaml
from bundles import make_bundle
from recorder import PERIOD, RGB_TOPIC, START, image, record, rgbd, storage_file

from mm_perception.bundle import Bundle
from mm_perception.classifier import Classifier
from mm_perception.engines import REFERENCE
from mm_perception.observation import Observation
from training.cli import main
from training.recordings.bags import find_recordings

SMALL = [
    *('--backbone', 'squeezenet1_0', '--backbone-weights', 'random'),
    *('--set', 'model.widths={hidden: 16, a: 8, z: 4}', '--set', 'optimisation.epochs=2'),
]
Train = Callable[..., int]


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Train:
    """Run ``train …`` in an empty folder and give its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    def run(*words: object) -> int:
        monkeypatch.setattr(sys, 'argv', ['train', *map(str, words)])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@pytest.fixture(scope='session')
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings each of two objects, some of it labelled."""
    folder = tmp_path_factory.mktemp('bags')
    for name in ('bowl_1', 'bowl_2', 'mug_1', 'mug_2'):
        record(folder / name, rgbd(6), 'mcap')
    rows = [f'{name}_{i},0,0.3,{name}' for name in ('bowl', 'mug') for i in (1, 2)]
    (folder / 'labels.csv').write_text('\n'.join(['bag,start,end,label', *rows]) + '\n')
    return folder


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}


def test_fit_leaves_bundle_recipe_and_report(
    train: Train, bags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train('fit', bags, '-o', 'model', '--holdout', '0.5', *SMALL) == 0
    said = capsys.readouterr().out
    assert 'RANDOM WEIGHTS' in said
    assert 'rgb, zero fill' in said
    manifest = Bundle.load(Path('model/bundle')).manifest
    assert manifest.classes == ('bowl', 'mug')
    assert set(manifest.accuracy) >= {'rgbd', 'rgb', 'depth'}
    recipe = yaml.safe_load(Path('model/recipe.yaml').read_text())
    assert recipe['optimisation']['epochs'] == 2
    assert 'never trained' in Path('model/report.html').read_text()
    assert not list(Path('model').glob('checkpoint*'))
    seen = next(find_recordings([bags])[0].observations())
    assert Classifier('model/bundle', 'cpu').classify(seen).label in manifest.classes


def test_recipe_beside_the_bundle_makes_the_same_model_again(train: Train, bags: Path) -> None:
    assert train('fit', bags, '-o', 'one', '--holdout', '0.5', *SMALL) == 0
    assert train('fit', bags, '-o', 'two', '--holdout', '0.5', '--recipe', 'one/recipe.yaml') == 0
    weights = [Path(name, 'bundle/weights.safetensors').read_bytes() for name in ('one', 'two')]
    assert weights[0] == weights[1]


def test_evaluate_scores_a_bundle_as_fit_did(
    train: Train, bags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unseen = Path('unseen')
    for number, name in enumerate(('bowl_1', 'bowl_2', 'mug_1', 'mug_2'), 1):
        record(unseen / name, rgbd(6, start=START + number * 10**12), 'mcap')
    shutil.copy(bags / 'labels.csv', unseen)
    assert train('fit', bags, '--test', unseen, '-o', 'model', *SMALL) == 0
    fitted = capsys.readouterr().out.split('accuracy on')[1]
    before = everything_below(Path('model'))
    assert train('evaluate', 'model/bundle', unseen) == 0
    evaluated = capsys.readouterr().out.split('accuracy on')[1]
    assert evaluated.splitlines()[:9] == fitted.splitlines()[:9]
    assert everything_below(Path('model')) == before
    assert train('evaluate', 'model/bundle', unseen, '--report', 'again') == 0
    assert Path('again/report.html').is_file()


def test_washington_layout_trains_through_the_same_path(
    train: Train, shared_data: Path, tmp_path: Path
) -> None:
    root = tmp_path / 'dataset'
    for instance in ('apple/apple_1', 'apple/apple_2', 'ball/ball_1', 'ball/ball_2'):
        (root / instance).mkdir(parents=True)
        for crop in sorted((shared_data / 'uw_rgbd' / instance).glob('*_crop.png'))[:12]:
            for part in ('crop', 'depthcrop'):
                name = crop.name.replace('_crop', f'_{part}')
                (root / instance / name).symlink_to(crop.with_name(name))
    command = ['fit', '--washington', root, '-o', 'model', *SMALL, '--set', 'every=1']
    assert train(*command, '--set', 'labelled_fraction=0.5') == 0
    manifest = Bundle.load(Path('model/bundle')).manifest
    assert manifest.classes == ('apple', 'ball')
    assert manifest.pipeline.region.kind == 'full'
    seen: Observation = next(find_crop(root))
    assert Classifier('model/bundle', 'cpu').classify(seen).mode == 'rgbd'


def find_crop(root: Path):  # noqa: ANN201 - an iterator of Observation
    from training.recordings.washington import find_crops  # noqa: PLC0415

    return (crop.observation() for crop in find_crops(root))


def cut(bags: Path) -> None:
    """Break the footer and the last messages off a db3 file, which cannot be mended."""
    record(bags / 'cut_1', rgbd(6), 'sqlite3')
    file = storage_file(bags / 'cut_1')
    file.write_bytes(file.read_bytes()[:5000])


def no_depth(bags: Path) -> None:
    record(bags / 'flat_1', [said for said in rgbd(6) if said.topic == RGB_TOPIC], 'mcap')


def strange_encoding(bags: Path) -> None:
    pictures = rgbd(6)
    for said in pictures:
        if said.topic == RGB_TOPIC:
            said.fields['encoding'] = 'bayer_rggb9'
    record(bags / 'odd_1', pictures, 'mcap')


def wrong_step(bags: Path) -> None:
    pictures = rgbd(6)
    pictures[4].fields['step'] = 5
    record(bags / 'bent_1', pictures, 'mcap')


def labels(text: str) -> Callable[[Path], None]:
    return lambda bags: (bags / 'labels.csv').write_text(f'bag,start,end,label\n{text}')  # type: ignore[return-value]


@pytest.mark.parametrize(
    ('break_it', 'words'),
    [
        (cut, ['cut_1']),
        (no_depth, ['flat_1', 'depth']),
        (strange_encoding, ['odd_1', 'bayer_rggb9']),
        (wrong_step, ['bent_1', 'step']),
        (labels('bowl_9,0,1,bowl\n'), ['labels.csv:2', 'bowl_9']),
        (labels('bowl_1,0,0.3,bowl\nbowl_1,0.2,0.4,mug\n'), ['labels.csv:3', 'overlaps']),
        (labels('bowl_1,0,0.3,bowl\n'), ['held-out', 'another of bowl']),
    ],
)
def test_bad_recordings_are_one_line_and_exit_code_two(
    train: Train,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    break_it: Callable[[Path], None],
    words: list[str],
) -> None:
    mine = tmp_path / 'mine'
    for name in ('bowl_1', 'mug_1'):
        record(mine / name, rgbd(4), 'mcap')
    labels('bowl_1,0,0.3,bowl\nmug_1,0,0.3,mug\n')(mine)
    break_it(mine)
    before = everything_below(mine)
    assert train('fit', mine, '-o', 'model', *SMALL) == 2
    told = capsys.readouterr().err
    assert told.count('train: ') == 1
    line = next(line for line in told.splitlines() if line.startswith('train: '))
    for word in words:
        assert word in line
    assert 'Traceback' not in told
    assert everything_below(mine) == before
    assert not Path('model/bundle').exists()


def test_a_warning_is_one_line_however_narrow_the_terminal(
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging.root, 'handlers', [])  # pytest's own, which the command has not
    monkeypatch.setenv('COLUMNS', '40')
    record(tmp_path / 'half_1', rgbd(6), 'mcap')
    file = storage_file(tmp_path / 'half_1')
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert train('evaluate', make_bundle(tmp_path / 'bundle'), file) == 2  # without labels
    said = capsys.readouterr().err.splitlines()
    (warned,) = [line for line in said if line.startswith('WARNING')]
    assert warned.startswith(f'WARNING {file}: the recorder did not finish this file; '), said
    assert warned.endswith(' bytes at its end lost'), said


def test_recording_without_metadata_still_trains(train: Train, tmp_path: Path) -> None:
    for name in ('bowl_1', 'bowl_2', 'mug_1', 'mug_2'):
        record(tmp_path / 'mine' / name, rgbd(4), 'sqlite3')
        (tmp_path / 'mine' / name / 'metadata.yaml').unlink()
    command = ['fit', 'mine', '--label-folders', '-o', 'model', '--holdout', '0.5', *SMALL]
    assert train(*command) == 0
    assert not list((tmp_path / 'mine').rglob('metadata.yaml'))


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['fit'], 'give either bags or --washington'),
        (['fit', 'nowhere'], 'nowhere'),
        (['fit', 'nowhere', '--recipe', 'nosuch'], 'recipe nosuch'),
        (['fit', 'nowhere', '--set', 'seed=x'], 'seed'),
        (['fit', '--washington', 'nowhere'], 'nowhere'),
        (['evaluate', 'nowhere', 'nowhere'], 'nowhere'),
        (['simulate', 'out', '--set', 'seconds=0'], 'seconds'),
        (['simulate', '.'], 'train'),
        (['fit', '--washington', '.', '--test', '.'], '--test: is an option for bags'),
        (['fit', '.', '--splits', 'ids.txt'], '--splits: is an option for --washington'),
    ],
)
def test_wrong_commands_are_one_line_and_exit_code_two(
    train: Train, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    Path('train').mkdir()
    assert train(*words) == 2
    told = capsys.readouterr().err
    assert told.startswith('train: ')
    assert told.count('\n') == 1
    assert message in told


def test_earlier_result_is_not_written_over(
    train: Train, bags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['fit', bags, '-o', 'model', '--holdout', '0.5', *SMALL]
    assert train(*command) == 0
    before = everything_below(Path('model'))
    assert train(*command) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert everything_below(Path('model')) == before
    assert train(*command, '--overwrite', '--set', 'seed=1') == 0
    assert everything_below(Path('model')) != before


def test_bundle_holds_safetensors_where_the_weights_were_a_pickle(train: Train, bags: Path) -> None:
    network = torchvision.models.squeezenet1_0(weights=None)
    torch.save(network.state_dict(), 'mine.pth')
    command = ['fit', bags, '-o', 'model', '--holdout', '0.5', *SMALL]
    assert train(*command, '--backbone-weights', 'mine.pth') == 0
    files = {path.name for path in Path('model/bundle').iterdir()}
    assert files == {'manifest.yaml', 'weights.safetensors', 'backbone_rgb.safetensors'}
    seen = next(find_recordings([bags])[0].observations())
    assert Classifier('model/bundle', 'cpu').classify(seen).mode == 'rgbd'


def test_recordings_on_both_sides_are_refused(
    train: Train, bags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Path('one.csv')
    one.write_text('bag,start,end,label\nmug_1,0,0.3,mug\n')
    command = ['fit', bags, '--test', bags / 'mug_1', '--test-labels', one, *SMALL]
    assert train(*command) == 2
    assert 'mug_1 is also among those to train with' in capsys.readouterr().err


def test_demo_never_clears_a_folder_of_the_users(
    train: Train, capsys: pytest.CaptureFixture[str]
) -> None:
    Path('mine/recordings').mkdir(parents=True)
    Path('mine/recordings/kept').write_text('hours of work')
    assert train('demo', '-o', 'mine') == 2
    assert 'not made by the demo' in capsys.readouterr().err
    assert Path('mine/recordings/kept').read_text() == 'hours of work'


def test_flipped_byte_in_a_bundle_is_named(
    train: Train, bags: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train('fit', bags, '-o', 'model', '--holdout', '0.5', *SMALL) == 0
    capsys.readouterr()
    file = Path('model/bundle/weights.safetensors')
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert train('evaluate', 'model/bundle', bags) == 2
    told = capsys.readouterr().err
    assert str(file) in told
    assert told.count('\n') == 1


def test_annotate_labels_a_recording_and_refuses_what_it_cannot_read(
    train: Train,
    bags: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # To measure all engines takes seconds, and is another test's.
    monkeypatch.setattr('mm_perception.engines.EngineSettings', lambda: REFERENCE)
    model = make_bundle(tmp_path / 'model')
    assert train('annotate', bags / 'mug_1', 'seen.mcap', '--bundle', model) == 0
    assert '6 labels (rgbd 6) of 12 images' in ' '.join(capsys.readouterr().out.split())
    before = Path('seen.mcap').read_bytes()
    wrong = {
        'seen.mcap: exists': [bags / 'mug_1', 'seen.mcap', '--bundle', model],
        'holds 4 recordings': [bags, 'other.mcap', '--bundle', model],
        'no such file': ['nothing', 'other.mcap', '--bundle', model],
        'nobody: no such bundle': [bags / 'mug_1', 'other.mcap', '--bundle', 'nobody'],
    }
    for why, words in wrong.items():
        assert train('annotate', *words) == 2
        told = capsys.readouterr().err
        assert why in told
        assert told.count('\n') == 1
    assert Path('seen.mcap').read_bytes() == before
    assert not Path('other.mcap').exists()


def test_ctrl_c_leaves_a_checkpoint_that_resume_takes_up(bags: Path, tmp_path: Path) -> None:
    environment = {**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache'), 'OMP_NUM_THREADS': '1'}
    epochs = ['--set', 'optimisation.epochs=100']
    base = [sys.executable, '-m', 'training', 'fit', str(bags), '--holdout', '0.5', *SMALL, *epochs]

    def finish(*words: str) -> None:
        subprocess.run([*base, *words], env=environment, check=True, capture_output=True)

    finish('-o', str(tmp_path / 'whole'))
    stopped = [*base, '-o', str(tmp_path / 'stopped')]
    with subprocess.Popen(
        stopped, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until_it_says(process, 'Ctrl-C stops the fit')
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 130, told
    assert '--resume' in told
    finish('-o', str(tmp_path / 'stopped'), '--resume')
    one, other = (tmp_path / n / 'bundle/weights.safetensors' for n in ('whole', 'stopped'))
    assert one.read_bytes() == other.read_bytes()


def test_ctrl_c_outside_a_fit_says_so_in_one_line(bags: Path, tmp_path: Path) -> None:
    environment = {**os.environ, 'XDG_CACHE_HOME': str(tmp_path / 'cache'), 'OMP_NUM_THREADS': '1'}
    base = [sys.executable, '-m', 'training', 'fit', str(bags), '--holdout', '0.5', *SMALL]
    command = [*base, '-o', str(tmp_path / 'stopped')]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until_it_says(process, 'RANDOM WEIGHTS')  # the backbone is there; features come next
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=60)[1]
    assert (process.returncode, told) == (130, 'train: stopped; what was finished is kept\n')


def until_it_says(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(process.stderr and process.stderr.read())


def test_zero_stamps_and_other_topics_are_read(train: Train, tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for number, name in enumerate(('bowl_1', 'bowl_2', 'mug_1', 'mug_2')):
        said = []
        for i in range(5):
            now = START + i * PERIOD
            colour = noise.integers(0, 255, (24, 32, 3), dtype=np.uint8)
            metres = noise.uniform(0.5, 2 + number, (24, 32)).astype(np.float32)
            said.append(image('/kinect/image_raw', now, colour, 'bgr8', stamp=0))
            said.append(image('/kinect/depth/image_raw', now + 1000, metres, '32FC1', stamp=now))
        record(tmp_path / 'mine' / name, said, 'mcap')
    command = ['fit', 'mine', '--label-folders', '-o', 'model', '--holdout', '0.5', *SMALL]
    assert train(*command) == 0
