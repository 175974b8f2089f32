# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The licence check, on packages laid out for it and on what is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit import licences
from audit.accepted import PACKAGES
from audit.pins import read_pins

CLASSIFIER = 'Classifier: License :: OSI Approved :: '


@pytest.fixture(autouse=True)
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)


def install(folder: Path, name: str, *lines: str) -> None:
    place = folder / f'{name.replace("-", "_")}-1.0.dist-info'
    place.mkdir()
    head = ('Metadata-Version: 2.4', f'Name: {name}', 'Version: 1.0')
    (place / 'METADATA').write_text('\n'.join((*head, *lines)) + '\n')


@pytest.mark.parametrize(
    'line',
    [
        'License-Expression: MIT',
        'License-Expression: Apache-2.0 OR (BSD-2-Clause AND MIT)',
        f'{CLASSIFIER}BSD License',
        'License: MIT',
    ],
)
def test_an_allowed_licence_passes_wherever_it_is_written(tmp_path: Path, line: str) -> None:
    install(tmp_path, 'made-up', line)
    assert licences.complaints(['made-up']) == []


@pytest.mark.parametrize(
    ('lines', 'what'),
    [
        ((), 'no licence in its metadata'),
        (('License: ' + 'All rights reserved. ' * 9,), 'no licence in its metadata'),
        (('License-Expression: GPL-3.0-only',), 'the licence GPL-3.0-only'),
        (('License-Expression: MIT AND AGPL-3.0-only',), 'the licence AGPL-3.0-only'),
        ((f'{CLASSIFIER}GNU General Public License v3 (GPLv3)', 'License: MIT'), 'GPLv3'),
        (('Classifier: License :: Other/Proprietary License', 'License: MIT'), 'proprietary'),
    ],
)
def test_any_other_fails_in_one_line(tmp_path: Path, lines: tuple[str, ...], what: str) -> None:
    install(tmp_path, 'made-up', *lines)
    (line,) = licences.complaints(['made-up'])
    assert line.startswith('made-up: ')
    assert what in line
    assert licences.complaints(['made-up'], excused={'made-up': 'why'}) == []


def test_the_packages_of_ros_say_it_in_their_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(licences, '_SHARE', tmp_path)
    install(tmp_path, 'ros-made-up')
    (tmp_path / 'made_up').mkdir()
    manifest = tmp_path / 'made_up' / 'package.xml'
    manifest.write_text('<package><license>Apache License 2.0</license></package>')
    assert licences.complaints(['ros-made-up']) == []
    manifest.write_text('<package><license>LGPL</license></package>')
    assert licences.complaints(['ros-made-up']) != []


def test_what_is_not_installed_is_not_asked_for() -> None:
    assert licences.complaints(['made-up']) == []


def test_every_exception_has_a_reason_and_is_of_a_pinned_package() -> None:
    assert [name for name, reason in PACKAGES.items() if not reason.strip()] == []
    assert set(PACKAGES) - set(read_pins(everywhere=True)) == set()
