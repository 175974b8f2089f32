# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which engines there are, which may be used here, and how one is built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mm_perception.engines import openvino_runtime
from mm_perception.engines.engine import Engine, Images, Precision
from mm_perception.engines.folding import folded
from mm_perception.engines.graph_engine import GraphEngine
from mm_perception.engines.openvino_engine import OpenVinoEngine
from mm_perception.engines.torch_engine import TORCH_PRECISIONS, TorchEngine
from mm_perception.errors import SettingsError
from mm_perception.features import Backbone
from mm_perception.observation import Modality

EngineName = Literal['torch', 'openvino', 'cudagraph']

CPU = torch.device('cpu')


@dataclass(frozen=True)
class EngineSettings:
    """Which engines may be taken; of several, the one that is the fastest here.

    Attributes:
        engine: What computes.
        precision: In how many bits.

    """

    engine: Literal['auto', 'torch', 'openvino', 'cudagraph'] = 'auto'
    precision: Literal['auto', 'float32', 'bfloat16', 'int8'] = 'auto'


REFERENCE = EngineSettings('torch', 'float32')
"""What every bundle was trained with."""


class Candidate(NamedTuple):
    """An engine, by name."""

    engine: EngineName
    precision: Precision

    def __str__(self) -> str:
        """For a person."""
        return f'{self.engine} {self.precision}'


@dataclass(frozen=True)
class Workload:
    """What an engine has to compute.

    Attributes:
        backbones: Where they are to compute, all on one device.
        images: Some of each modality, to measure and to check with.
        quantized: The int8 network of each modality; empty where there are none.

    """

    backbones: Mapping[Modality, Backbone]
    images: Images
    quantized: Mapping[Modality, Path]

    @cached_property
    def folded(self) -> dict[Modality, Backbone]:
        """The backbones, smaller for images of this size; those that were one are one."""
        smaller = {id(each): folded(each, self.size) for each in self.backbones.values()}
        return {modality: smaller[id(each)] for modality, each in self.backbones.items()}

    @property
    def device(self) -> torch.device:
        """Where it is to be computed."""
        return next(iter(self.backbones.values())).device

    @property
    def size(self) -> int:
        """Side of the images, pixels."""
        return int(next(iter(self.images.values())).shape[1])


def candidates(
    settings: EngineSettings, quantized: bool, device: torch.device = CPU
) -> list[Candidate]:
    """List the engines that are allowed and can be had here, the reference first.

    Args:
        settings: What is allowed.
        quantized: Whether the bundle holds int8 networks.
        device: Where to compute.

    Raises:
        SettingsError: There is none, and why.

    """
    other = {'cpu': 'cudagraph', 'cuda': 'openvino'}[device.type]
    if settings.engine == other:
        raise SettingsError(
            f"engine: '{other}' is not for device {device.type}; use 'auto', or the other device"
        )
    if settings.engine == 'openvino' and not openvino_runtime.is_installed():
        raise SettingsError(
            "engine: 'openvino' was asked for, but it is not installed; "
            "pip install openvino, or use 'auto'"
        )
    if settings.precision == 'int8' and device.type == 'cpu' and not quantized:
        raise SettingsError(
            "precision: 'int8' was asked for, but the bundle holds no int8 networks; "
            "`train engines` makes them; or use 'auto'"
        )
    found = _on_gpu() if device.type == 'cuda' else _on_cpu()
    allowed = [
        each
        for each in found
        if settings.engine in ('auto', each.engine)
        and settings.precision in ('auto', each.precision)
        and (each.precision != 'int8' or quantized)
    ]
    if not allowed:
        raise SettingsError(
            f'engine {settings.engine} in {settings.precision}: not to be had here; '
            f'there are {", ".join(map(str, found))}'
        )
    return allowed


def _on_cpu() -> list[Candidate]:
    found = [Candidate('torch', each) for each in TORCH_PRECISIONS]
    if openvino_runtime.is_installed():
        found += [Candidate('openvino', each) for each in openvino_runtime.precisions()]
    return found


def _on_gpu() -> list[Candidate]:
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    precisions = TORCH_PRECISIONS if native else TORCH_PRECISIONS[:1]
    return [Candidate(engine, each) for engine in ('torch', 'cudagraph') for each in precisions]


def build(candidate: Candidate, work: Workload) -> Engine:
    """Build an engine where its work is.

    Raises:
        BundleError: A quantized network cannot be read.

    """
    if candidate.engine == 'torch':
        return TorchEngine(work.folded, candidate.precision)
    if candidate.engine == 'cudagraph':
        return GraphEngine(work.folded, candidate.precision)
    quantized = work.quantized if candidate.precision == 'int8' else {}
    return OpenVinoEngine(
        work.folded,
        candidate.precision,
        size=work.size,
        threads=processors(),
        quantized=quantized,
    )


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def made_pictures(modalities: Iterable[Modality], size: int) -> Images:
    """Make pictures of blobs, for a bundle that holds no frames: in noise there is nothing to see.

    Returns:
        [4, size, size, 3] by modality.

    """
    noise = np.random.default_rng(0)
    pictures: dict[Modality, NDArray[np.uint8]] = {}
    for modality in modalities:
        blobs = [cv2.GaussianBlur(noise.random((size, size, 3)), (0, 0), 6) for _ in range(4)]
        pictures[modality] = np.stack(
            [(each / each.max() * 255).astype(np.uint8) for each in blobs]
        )
    return pictures
