# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The licences of what is installed, from its own metadata."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from audit.accepted import LICENCES, PACKAGES, SPELLINGS

_SHARE = Path(sys.prefix) / 'share'
_LONGEST_NAME = 60  # letters: what is longer is a licence's text
_NO_NAMES = {'OSI Approved', 'DFSG approved', 'Other/Proprietary License'}


def complaints(
    names: Iterable[str], allowed: frozenset[str] = LICENCES, excused: Mapping[str, str] = PACKAGES
) -> list[str]:
    """Say, a line each, which of the installed packages have no licence that is allowed."""
    found = []
    for name in sorted(names):
        try:
            licences = licences_of(distribution(name))
        except PackageNotFoundError:
            continue  # of another machine: CUDA's on a Mac
        refused = sorted(licences - allowed)
        if name.lower() in excused or (licences and not refused):
            continue
        what = f'the licence {", ".join(refused)}' if refused else 'no licence in its metadata'
        found.append(f'{name}: {what}; allow it in test/audit/accepted.py, with a reason')
    return found


def licences_of(package: Distribution) -> set[str]:
    """Name all the licences of a package, as SPDX does where that is known."""
    metadata = package.metadata
    if expression := metadata.get('License-Expression'):
        # Any of A OR B would do. To allow both is simpler, and has been enough.
        return {word for word in re.split(r'[()\s]+', expression) if word} - {'AND', 'OR'}
    declared = [
        line.rpartition(' :: ')[2]
        for line in metadata.get_all('Classifier') or ()
        if line.startswith('License :: ')
    ]
    names = [name for name in declared if name not in _NO_NAMES]
    if 'Other/Proprietary License' in declared:
        names = ['proprietary']
    if not names and (licence := (metadata.get('License') or '').strip()):
        names = [licence] if len(licence) < _LONGEST_NAME else []
    names = names or _in_manifest(metadata['Name'])
    return {SPELLINGS.get(name, name) for name in names}


def _in_manifest(name: str) -> list[str]:
    """Look into the package.xml that ROS's packages bring."""
    folder = name.removeprefix('ros-').replace('-', '_')
    manifest = _SHARE / folder / 'package.xml'
    if not manifest.is_file():
        return []
    root = ET.parse(manifest).getroot()  # noqa: S314 - as trusted as the code that is installed
    return [(element.text or '').strip() for element in root.findall('license')]
