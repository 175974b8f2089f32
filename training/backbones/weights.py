# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Backbone weights that a user brings, in a format that executes nothing."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file

from mm_perception.errors import TrainingError
from mm_perception.features import read_weights, sha256_of
from mm_perception.manifest import brief
from training.durable import replacing


def without_pickle(weights: Path, folder: Path) -> Path:
    """Give a weights file as safetensors: itself, or what is made of it.

    Args:
        weights: ``.safetensors``, or torch's own format.
        folder: Where what is made of it is kept, named by what it was made of.

    Raises:
        WeightsError: It cannot be read.
        TrainingError: Its safetensors cannot be written.

    """
    if weights.suffix == '.safetensors':
        return weights
    tensors = {name: value.contiguous() for name, value in read_weights(weights).items()}
    converted = folder / f'{sha256_of(weights)}.safetensors'
    if not converted.is_file():
        try:
            with replacing(converted) as partial:
                save_file(tensors, partial)
        except (OSError, SafetensorError) as error:
            raise TrainingError(f'{converted}: cannot be written: {brief(error)}') from error
    return converted
