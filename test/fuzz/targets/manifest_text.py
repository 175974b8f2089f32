# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any bytes are a bundle's manifest, or are refused, though their checksum fits.

Whoever can write a manifest can compute a checksum: nothing may rest on it but the finding of
accidents.
"""

from __future__ import annotations

import hashlib

from fuzz.bundle_parts import bundle, check_manifest, real_manifest
from fuzz.promises import attempt
from fuzz.yaml_seeds import BOMBS

from mm_perception.manifest import MANIFEST, read_manifest


def target(data: bytes) -> None:
    digest = hashlib.sha256(data).hexdigest()
    (bundle() / MANIFEST).write_bytes(data + f'# sha256 of all above: {digest}\n'.encode())
    manifest = attempt(lambda: read_manifest(bundle()))
    if manifest is not None:
        check_manifest(manifest)


def seeds() -> list[bytes]:
    real = real_manifest()
    return [
        real.encode(),
        *BOMBS,
        *(real.replace('created: ', 'created: ', 1).encode() + bomb for bomb in BOMBS),
        real.replace("'2026-01-01T00:00:00Z'", '&a [*a]').encode(),
    ]
