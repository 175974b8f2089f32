# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO itself: the extra ``openvino``; where it is not installed the robot does without."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from mm_perception.engines.engine import Precision

_BFLOAT16 = 'BF16'  # what OpenVINO calls it among a processor's capabilities


def is_installed() -> bool:
    """Tell whether OpenVINO is there, without importing it."""
    return find_spec('openvino') is not None


def precisions() -> tuple[Precision, ...]:
    """List what this processor computes in; bfloat16 only where it has instructions for it."""
    return ('float32', 'bfloat16', 'int8') if has_bfloat16() else ('float32', 'int8')


def import_openvino() -> Any:
    """Import OpenVINO, without the part that would report its use over the network."""
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type] # as if not there
    return import_module('openvino')


@cache
def core() -> Any:
    """Give OpenVINO's core, of which a process needs one."""
    return import_openvino().Core()


def has_bfloat16() -> bool:
    """Tell whether this processor has instructions for bfloat16."""
    return _BFLOAT16 in core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


def request_of(model: Any, hints: Mapping[str, Any]) -> Any:
    """Compile a model for the CPU, and give a request by which it infers."""
    return core().compile_model(model, 'CPU', dict(hints)).create_infer_request()


def answer_of(request: Any) -> Tensor:
    """Copy what was inferred: the next inference writes into the same memory."""
    return torch.from_numpy(request.get_output_tensor(0).data.copy())
