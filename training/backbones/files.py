# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Backbones that learned something: weights files that say what they were made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mm_perception.errors import TrainingError
from mm_perception.features import Backbone, read_weights
from training.durable import replacing


def about_kept(path: Path, identity: str) -> dict[str, Any] | None:
    """Read what an earlier run's file says of itself.

    Args:
        path: The file.
        identity: Fingerprint of all that the run depends on.

    Returns:
        What was given to ``write_backbone``; None when there is no file, or a damaged one, or one
        of another run.

    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework='pt') as file:
            about: dict[str, Any] = json.loads((file.metadata() or {})['about'])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return about if about['run'] == identity else None


def write_backbone(path: Path, source: Path, backbone: Backbone, about: Mapping[str, Any]) -> None:
    """Write the whole network: what did not learn, after the cut, as it was.

    Args:
        path: The file.
        source: The weights that it began with.
        backbone: What learned, on the CPU.
        about: What the file says of itself; ``run`` is the run's identity.

    Raises:
        TrainingError: It cannot be written.

    """
    state = read_weights(source)
    tensors = {name: value.float() if value.is_floating_point() else value
               for name, value in state.items()} | backbone.network.state_dict()  # fmt: skip
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    try:
        with replacing(path) as partial:
            save_file(tensors, partial, {'about': json.dumps(about)})
    except (OSError, SafetensorError) as error:
        raise TrainingError(f'{path}: the learned weights cannot be kept: {error}') from error
