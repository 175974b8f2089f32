# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A real bundle to damage, and what is promised of every one that is taken."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bundles import make_bundle
from fuzz.scratch import folder

from mm_perception.manifest import MANIFEST, WEIGHTS, Manifest
from mm_perception.observation import UNKNOWN


@cache
def bundle() -> Path:
    """A small bundle whose weights are whole."""
    return make_bundle(folder() / 'bundle')


@cache
def real_manifest() -> str:
    """Its manifest, without the line of the checksum."""
    return (make_bundle(folder() / 'whole') / MANIFEST).read_text().rpartition('#')[0]


def check_manifest(manifest: Manifest) -> None:
    """Demand names that stay inside the folder, and classes that a robot can say."""
    for name in (*manifest.files, *manifest.backbone_files.values()):
        assert Path(name).name == name
        assert name.isprintable()
    assert WEIGHTS in manifest.files
    assert len(set(manifest.classes)) == len(manifest.classes) == manifest.model.classes
    for label in manifest.classes:
        assert label.strip()
        assert label.isprintable()
        assert label.casefold() != UNKNOWN
