# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any weights file is refused, or makes a model whose every label has finite probabilities.

The checksum is no obstacle: the file is read as if it fitted the manifest. The backbone is real.
"""

from __future__ import annotations

import json
import math
import struct
from functools import cache

import numpy as np
import torch
from fuzz.bundle_parts import bundle
from fuzz.promises import attempt
from fuzz.scratch import written
from safetensors.torch import load_file, save

from mm_perception.bundle import Bundle, _load_head
from mm_perception.classifier import Classifier
from mm_perception.manifest import WEIGHTS
from mm_perception.observation import Frame, Modality, Observation

RNG = np.random.default_rng(0)
PAIR = (
    Frame(Modality.RGB, 1, 'eye', RNG.integers(0, 256, (40, 40, 3), np.uint8)),
    Frame(Modality.DEPTH, 1, 'eye', RNG.uniform(0.5, 2, (40, 40)).astype(np.float32)),
)


def target(data: bytes) -> None:
    path = written(WEIGHTS, data)
    manifest = classifier().bundle.manifest
    head = attempt(lambda: _load_head(path, manifest))
    if head is None:
        return
    assert all(tensor.isfinite().all() for tensor in head.state_dict().values())
    classifier().bundle = Bundle(path.parent, manifest, head)
    for frames in (PAIR, PAIR[:1], PAIR[1:]):
        said = attempt(lambda frames=frames: classifier().classify(Observation.of(*frames)))
        if said is not None:
            assert math.isclose(sum(said.probabilities.values()), 1, abs_tol=1e-3)
            assert said.label in said.probabilities


@cache
def classifier() -> Classifier:
    return Classifier(bundle(), device='cpu')


def seeds() -> list[bytes]:
    fine = load_file(bundle() / WEIGHTS)
    header = json.dumps({'a': {'dtype': 'F32', 'shape': [2**40], 'data_offsets': [0, 4]}}).encode()
    same = (math.nan, math.inf, 1e38, -1e38, 1e-45, 0.0)
    kinds = (torch.float64, torch.int8, torch.bool, torch.bfloat16, torch.float8_e4m3fn)
    return [
        save(fine),
        *(save({k: torch.full_like(v.float(), x) for k, v in fine.items()}) for x in same),
        *(save({k: v.to(kind) for k, v in fine.items()}) for kind in kinds),
        save({k: v.double() * 1e300 for k, v in fine.items()}),
        struct.pack('<Q', len(header)) + header + bytes(4),
        struct.pack('<Q', 2**63) + b'{',
        b'',
    ]
