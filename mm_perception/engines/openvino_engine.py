# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the CPU: float32, bfloat16, or a network that was quantized to int8 in training.

It is the extra ``openvino``; where it is not installed the robot does without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.engines.engine import Engine, Precision
from mm_perception.errors import BundleError
from mm_perception.features import Backbone
from mm_perception.observation import Modality

_BFLOAT16 = 'BF16'  # what OpenVINO calls it among a processor's capabilities


def is_installed() -> bool:
    """Tell whether OpenVINO is there, without importing it."""
    return find_spec('openvino') is not None


def precisions() -> tuple[Precision, ...]:
    """List what this processor computes in; bfloat16 only where it has instructions for it."""
    return ('float32', 'bfloat16', 'int8') if _has_bfloat16(_core()) else ('float32', 'int8')


class OpenVinoEngine(Engine):
    """Runs the backbones through OpenVINO."""

    def __init__(
        self,
        backbones: Mapping[Modality, Backbone],
        precision: Precision,
        *,
        size: int,
        threads: int,
        quantized: Mapping[Modality, Path] | None = None,
    ) -> None:
        """Build.

        Args:
            backbones: What to compute, on the CPU.
            precision: In what.
            size: Side of the images, pixels.
            threads: How many processors to use.
            quantized: For int8, each modality's network as OpenVINO's .xml file.

        Raises:
            BundleError: A quantized network cannot be read.

        """
        self.name = f'openvino {precision}'
        core = _core()
        # What int8 leaves over, the layers that were not quantized, is in the fewest bits, too.
        fewer = precision != 'float32' and _has_bfloat16(core)
        hints = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': threads,
            'INFERENCE_PRECISION_HINT': 'bf16' if fewer else 'f32',
        }
        built: dict[object, Any] = {}
        self._requests: dict[Modality, Any] = {}
        for modality, network in backbones.items():
            file = (quantized or {}).get(modality)
            key = id(network) if file is None else file
            if key not in built:
                model = convert(network, size) if file is None else _read(core, file, size)
                built[key] = core.compile_model(model, 'CPU', hints).create_infer_request()
            self._requests[modality] = built[key]

    def compute(
        self, modality: Modality, batch: NDArray[np.uint8], wanted: Callable[[], bool]
    ) -> Tensor | None:
        """Infer; see `Engine`."""
        if not wanted():
            return None
        request = self._requests[modality]
        request.start_async({0: np.ascontiguousarray(batch)}, share_inputs=True)
        request.wait()
        # A copy: the next inference writes into the same memory.
        return torch.from_numpy(request.get_output_tensor(0).data.copy())


def convert(backbone: Backbone, size: int) -> Any:
    """Turn a backbone into an OpenVINO model of any number of size × size images."""
    with torch.inference_mode():
        example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
        model = import_openvino().convert_model(backbone, example_input=example)
    model.reshape([-1, size, size, 3])
    return model


def import_openvino() -> Any:
    """Import OpenVINO, without the part that would report its use over the network."""
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type] # as if not there
    return import_module('openvino')


def _core() -> Any:
    return import_openvino().Core()


def _has_bfloat16(core: Any) -> bool:
    return _BFLOAT16 in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


def _read(core: Any, file: Path, size: int) -> Any:
    try:
        model = core.read_model(file)
    except RuntimeError as error:
        why = str(error).strip().splitlines()[-1]
        raise BundleError(f'{file}: cannot be read by OpenVINO: {why}; copy it again') from error
    shape = import_openvino().PartialShape([-1, size, size, 3])
    takes_images = len(model.inputs) == 1 and model.input().partial_shape.compatible(shape)
    if not takes_images or len(model.outputs) != 1:
        raise BundleError(f'{file}: not a network from images to features; copy the bundle again')
    return model
