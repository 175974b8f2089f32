# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""``torchrun … -m training fit``: the same model, also after a killed worker; one line of error."""

from __future__ import annotations

import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorder import RGB_TOPIC, colours, image, record, rgbd
from safetensors.torch import load_file

from training.cli import main

SMALL = [
    *('--backbone', 'squeezenet1_0', '--backbone-weights', 'random', '--device', 'cpu'),
    *('--set', 'model.widths={hidden: 16, a: 8, z: 4}', '--set', 'optimisation.epochs=60'),
    *('--holdout', '0.5', '--checkpoint-every', '0'),
]
NAMES = ('bowl_1', 'bowl_2', 'mug_1', 'mug_2')


@pytest.fixture
def bags(tmp_path: Path) -> Path:
    for name in NAMES:
        record(tmp_path / 'bags' / name, rgbd(6), 'mcap')
    rows = [f'{name},0,0.3,{name[:-2]}' for name in NAMES]
    text = '\n'.join(['bag,start,end,label', *rows])
    (tmp_path / 'bags' / 'labels.csv').write_text(f'{text}\n')
    return tmp_path / 'bags'


def command(bags: Path, model: Path, *torchrun: str) -> list[str]:
    processes = ['torch.distributed.run', '--nproc-per-node', '2', *torchrun, '-m']
    words = ['training', 'fit', str(bags), '-o', str(model), '--cache', f'{model}.cache', *SMALL]
    return [sys.executable, '-m', *(processes if torchrun else []), *words]


def worker(of: int, rank: int) -> int:
    """Find a process that torchrun has started."""
    for child in Path(f'/proc/{of}/task/{of}/children').read_text().split():
        if f'\0RANK={rank}\0'.encode() in Path(f'/proc/{child}/environ').read_bytes():
            return int(child)
    raise AssertionError(f'no process {rank}')


def accuracies(model: Path) -> list[list[str]]:
    """Give the frames and how many are right, by mode and class; calibration follows rounding."""
    return [line.split(',')[:4] for line in (model / 'accuracy.csv').read_text().splitlines()]


def killed_once_and_done(command: list[str], model: Path, rank: int) -> str:
    """Kill a worker as soon as there is a checkpoint, and give what was said."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as torchrun:
        try:
            while not (model / 'checkpoint.safetensors').exists():
                assert torchrun.poll() is None, torchrun.communicate()[0]
                time.sleep(0.01)
            os.kill(worker(torchrun.pid, rank), signal.SIGKILL)
            said = torchrun.communicate(timeout=120)[0]
        finally:
            torchrun.terminate()
    assert torchrun.returncode == 0, said
    return said


def test_a_fit_goes_on_after_a_killed_worker_and_gives_what_one_process_gives(
    bags: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / 'one', tmp_path / 'two'
    said = killed_once_and_done(command(bags, two, '--max-restarts', '1'), two, rank=1)
    assert said.count('goes on where it was stopped') == 1
    assert said.count('accuracy on') == 1  # one process speaks
    monkeypatch.setattr(sys, 'argv', ['train', *command(bags, one)[3:]])
    with pytest.raises(SystemExit):  # as typer ends every command
        main()
    assert accuracies(one) == accuracies(two)
    expected, found = (load_file(m / 'bundle' / 'weights.safetensors') for m in (one, two))
    apart = [
        float((found[name] - values).abs().max() / values.abs().max().clamp_min(1e-6))
        for name, values in expected.items()
        if values.is_floating_point()
    ]
    # Adam gives a gradient that is but rounding the size of any other: some weights lie apart.
    assert statistics.median(apart) < 0.02


@pytest.mark.long
@pytest.mark.parametrize('rank', [0, 1])
def test_a_killed_worker_changes_no_bit(bags: Path, tmp_path: Path, rank: int) -> None:
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    subprocess.run(command(bags, whole, '--max-restarts', '0'), check=True, capture_output=True)
    killed_once_and_done(command(bags, killed, '--max-restarts', '1'), killed, rank)
    one, other = (m / 'bundle' / 'weights.safetensors' for m in (whole, killed))
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.long
def test_what_one_process_cannot_read_ends_all_with_one_line(bags: Path, tmp_path: Path) -> None:
    said = rgbd(6)
    said[4] = image(RGB_TOPIC, said[4].time, colours(0), 'rgb8', fields={'step': 7})
    record(bags / 'bent_1', said, 'mcap')
    done = subprocess.run(
        command(bags, tmp_path / 'model', '--max-restarts', '0'),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1  # torchrun's own, whatever its processes' is
    assert re.search(r'exitcode +: 2', done.stderr)
    told = [line for line in done.stderr.splitlines() if line.startswith('train: ')]
    assert len(told) == 1, done.stderr
    assert 'bent_1' in told[0]
    assert 'step' in told[0]
    assert not (tmp_path / 'model' / 'bundle').exists()
