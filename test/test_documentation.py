# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the README and the pages beside it tell to type works, and what they name is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT

from mm_perception.interface.cameras import load_camera
from mm_perception.interface.parameters import BY_NAME, markdown_table
from training.cli import main

PAGES = {page.name: page.read_text(encoding='utf-8') for page in (CHECKOUT / 'doc').glob('*.md')}
PAGES['README.md'] = README = (CHECKOUT / 'README.md').read_text(encoding='utf-8')
# As a newcomer would read them, each page's commands finding what those before have made.
READ = ('README', 'node', 'training', 'labelling', 'engines', 'washington', 'papers')
COMMANDS = [
    command
    for page in READ
    for block in re.findall(r'```bash\n(.*?)```', PAGES[f'{page}.md'], re.DOTALL)
    for line in block.splitlines()
    for command in line.split('#')[0].split(' && ')
    if command.strip()
]

# The same commands on less data, with a smaller network: what is added, by subcommand.
LESS = {
    'simulate': [
        *('--set', 'categories=[bowl, plate]', '--set', 'seconds=0.4'),
        *('--set', 'training_instances=1', '--set', 'test_instances=1'),
    ],
    'fit': [
        *('--backbone', 'squeezenet1_0', '--backbone-weights', 'random'),
        *('--set', 'model.widths={hidden: 8, a: 4, z: 4}', '--set', 'optimisation.epochs=1'),
        *('--cache', 'features'),
    ],
    'label': ['--help'],  # it waits for somebody: see test_with_a_browser.py
    'evaluate': ['--cache', 'features'],
    'annotate': [],
    'engines': [],
    'paper': ['--only', 'nmMNIST', '--only', 'ss_mvae', '--epochs', '1'],
}


def commands(program: str) -> list[list[str]]:
    found = [shlex.split(c) for c in COMMANDS if c.split()[0] == program]
    assert found
    return found


def test_training_commands_run_in_the_order_of_the_pages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared_data: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for instance in ('apple_1', 'apple_2', 'ball_1', 'ball_2'):
        category = instance.split('_')[0]
        folder = Path('rgbd-dataset', category, instance)
        folder.mkdir(parents=True)
        for crop in sorted((shared_data / 'uw_rgbd' / category / instance).glob('*_crop.png'))[:40]:
            for name in (crop.name, crop.name.replace('_crop', '_depthcrop')):
                (folder / name).symlink_to(crop.with_name(name))
    Path('mnist.npz').symlink_to(shared_data.resolve() / 'mnist.npz')
    Path('testinstance_ids.txt').write_text('****** trial 1 ******\napple_1\nball_2\n')
    Path('kitchen_monday').symlink_to('recordings/test/bowl_2')
    ran = []
    for words in commands('train'):
        monkeypatch.setattr(sys, 'argv', [*words, *LESS[words[1]]])
        with pytest.raises(SystemExit) as ended:  # as typer ends every command
            main()
        assert not ended.value.code
        ran.append(words[1])
    assert ran == ['simulate', 'fit', 'evaluate', 'annotate', 'label', 'engines', 'fit', 'paper']
    assert Path('model/bundle/manifest.yaml').is_file()
    assert Path('model/report.html').is_file()
    assert Path('seen.mcap').is_file()
    assert Path('washington/bundle/manifest.yaml').is_file()
    assert len(Path('.paper/results.csv').read_text().splitlines()) == 2  # the header, and a row


@pytest.mark.parametrize('words', commands('make'), ids=' '.join)
def test_make_knows_its_targets(words: list[str]) -> None:
    # -n prints the recipe and does nothing; an unknown target is an error.
    subprocess.run([*words, '-n', '-C', CHECKOUT], check=True, capture_output=True)


def test_launch_arguments_are_there() -> None:
    launches = [words for words in commands('ros2') if words[1] == 'launch']
    assert len(launches) == 2
    for launch in launches:
        assert launch[2] == 'mm_perception'
        file = CHECKOUT / 'launch' / launch[3]
        source = file.read_text(encoding='utf-8')
        given = dict(word.split(':=') for word in launch[4:])
        for name in given:
            assert name in BY_NAME or f"'{name}': (" in source
        load_camera(given['camera'], CHECKOUT / 'config' / 'cameras')


def test_parameters_that_are_set_can_be_set_live() -> None:
    for words in commands('ros2'):
        if words[1] == 'param':
            name, value = words[-2:]
            assert BY_NAME[name].live
            BY_NAME[name].check(float(value))


def test_parameter_table_is_the_nodes() -> None:
    assert markdown_table().strip() in PAGES['node.md']


def test_camera_presets_are_all_named() -> None:
    for preset in (CHECKOUT / 'config' / 'cameras').glob('*.yaml'):
        assert f'`{preset.stem}`' in README


def test_every_room_of_the_architecture_is_there() -> None:
    table = PAGES['architecture.md'].split('## The method')[0]
    named = re.findall(r'`([\w/.]+(?:\.py|/))`', table)
    roots = (CHECKOUT, CHECKOUT / 'mm_perception', CHECKOUT / 'training')
    missing = [name for name in named if not any((root / name).exists() for root in roots)]
    assert not missing
    modules = {p.name for p in (CHECKOUT / 'mm_perception').glob('*.py')} - {'__init__.py'}
    assert modules <= set(named)
    for package in ('mm_perception', 'training'):
        rooms = {f'{p.parent.name}/' for p in (CHECKOUT / package).glob('*/__init__.py')}
        assert rooms <= set(named)


def test_every_page_is_in_the_readmes_table_and_no_link_leads_nowhere() -> None:
    for name, text in PAGES.items():
        folder = CHECKOUT if name == 'README.md' else CHECKOUT / 'doc'
        assert name == 'README.md' or f'(doc/{name})' in README
        for link in re.findall(r'\]\(([^)\s]+)\)', text):
            path, _, anchor = link.partition('#')
            target = (folder / path).resolve() if path else folder / name
            assert target.exists(), f'{name}: {link}'
            if anchor:
                heads = re.findall(r'^#+ (.+)$', PAGES[target.name], re.MULTILINE)
                assert anchor in {head.lower().replace(' ', '-') for head in heads}, link
