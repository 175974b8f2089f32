# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any bytes are a backbone's weights, tensors by name of which nothing is run, or are refused.

A bundle brings such a file along: safetensors, or torchvision's own ``.pth``, which is a pickle.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from typing import Any

import torch
from fuzz.promises import attempt
from fuzz.scratch import written
from safetensors.torch import save

from mm_perception.features import read_weights

SUFFIXES = ('.safetensors', '.pth')


def target(data: bytes) -> None:
    suffix = SUFFIXES[data[0] % 2 if data else 0]
    path = written(f'backbone{suffix}', data[1:])
    weights = attempt(lambda: read_weights(path))
    if weights is not None:
        assert all(isinstance(name, str) for name in weights)
        assert all(isinstance(value, torch.Tensor) for value in weights.values())


class Runs:
    """What a pickle can do to whoever reads it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ('raise SystemExit("it was run")',))


def _saved(content: object, *, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return b'\1' + file.getvalue()


def seeds() -> list[bytes]:
    weights = {'features.0.weight': torch.ones(2, 3), 'features.0.bias': torch.zeros(2).half()}
    others = (OrderedDict(weights), [1, 2], torch.ones(2), {'a': {'b': torch.ones(1)}}, {1: 2}, 'a')
    return [
        b'\0' + save(weights),
        *(_saved(content, zipped=zipped) for content in others for zipped in (True, False)),
        b'\1' + pickle.dumps(Runs()),
        _saved({'a': Runs()}, zipped=True),
        b'\1',
        b'',
    ]
