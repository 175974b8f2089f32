# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle whose manifest lies in any of its values is refused, or labels with numbers.

The checksums fit. Values are put at places of a real manifest, as its fields are typed, so that
what stands behind the parser is reached: shapes that no machine has room for, other names, other
files, links that lead out.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
from functools import cache
from typing import Any

import torch
import yaml
from fuzz.bundle_parts import bundle, check_manifest, real_manifest
from fuzz.promises import attempt, check_refusal
from fuzz.reading import Provider
from pydantic import ValidationError

from mm_perception.bundle import Bundle
from mm_perception.errors import BundleError
from mm_perception.manifest import MANIFEST, Manifest, brief

VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 4, 31, 512, 2**31, 2**62, 2**63 - 1, 2**100, 0.5, -0.0, 1e-300, 1e300, 1e38),
    *(True, None, '', 'x', '\n', '\x1b[2J', 'unknown', 'Unknown', ' ', 'é' * 300, 'x' * 9000),
    *('../x', '/etc/passwd', '.hidden', 'weights.safetensors', 'manifest.yaml', 'link', 'fifo'),
    *('rgb', 'depth', 'm2', 'sdgm', 'ss_mvae', 'ss_hmvae', 'mnist', 'sum', 'file', 'random'),
    *('vgg16', 'alexnet', 'regnet_y_128gf', 'features', 'fixed', 'full', 'feature', 'none'),
    *(['', 'b', 'c'], ['a\n', 'b', 'c'], ['a', 'b', 'Unknown']),
    *({'../x': 'a', 'weights.safetensors': 'a'}, {'rgb': '../x'}),
    *([], {}, [[]], ['a', 'b'], ['a', 'a', 'b'], ['a', 'b', 'c'], [0, 0, 1, 1], [0.1, 1e300]),
    *({'rgb': 512}, {'rgb': 512, 'depth': 2**40}, {'self': 1}, {'training': 4}, {'hidden': 8}),
    *({'hidden': 2**40, 'a': 2**40, 'z': 2**40}, {'hidden': 1, 'a': 1, 'z': 2**62}),
    *({'kind': 'fixed', 'box': [0, 0, 1, 1]}, {'size': 1024}, {'size': 32, 'depth_range': [0, 9]}),
)


def target(data: bytes) -> None:
    source = Provider(data)
    content = copy.deepcopy(fields())
    while source.left:
        path, value = source.choice(places()), source.choice(VALUES)
        _put(content, path, copy.deepcopy(value))
    try:
        Manifest.model_validate(content)
    except ValidationError as error:  # so that most need no file
        check_refusal(BundleError(brief(error)))
        return
    body = json.dumps(content, ensure_ascii=False) + '\n'  # JSON is YAML
    digest = hashlib.sha256(body.encode()).hexdigest()
    _link()
    (bundle() / MANIFEST).write_text(f'{body}# sha256 of all above: {digest}\n')
    loaded = attempt(lambda: Bundle.load(bundle()))
    if loaded is None:
        return
    check_manifest(loaded.manifest)
    features = {name: torch.rand(1, n) for name, n in loaded.manifest.model.modalities.items()}
    assert math.isclose(sum(loaded.head(features).probabilities[0].tolist()), 1, abs_tol=1e-3)


@cache
def fields() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(real_manifest())
    return content


@cache
def places() -> tuple[tuple[str, ...], ...]:
    """Every field at every depth, and one more that is not there."""

    def below(content: dict[str, Any], path: tuple[str, ...]) -> list[tuple[str, ...]]:
        deeper = [
            place
            for k, v in content.items()
            if isinstance(v, dict)
            for place in below(v, (*path, k))
        ]
        return [*((*path, name) for name in (*content, 'surprise')), *deeper]

    return tuple(below(fields(), ()))


def _put(content: Any, path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        content = content.get(name)
        if not isinstance(content, dict):
            return
    content[path[-1]] = value


def _link() -> None:
    for name, make in (('link', lambda p: p.symlink_to('/dev/zero')), ('fifo', os.mkfifo)):
        if not (path := bundle() / name).is_symlink() and not path.exists():
            make(path)


def seeds() -> list[bytes]:
    """Each value at each place: mutation joins them."""
    return [b'', *(bytes([p, v]) for p in range(len(places())) for v in range(len(VALUES)))]
