# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the CPU: float32, bfloat16, or a network that was quantized to int8 in training.

It is the extra ``openvino``; where it is not installed the robot does without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mm_perception.engines.engine import Engine, Images, Precision, Wanted, always
from mm_perception.errors import BundleError
from mm_perception.features import Backbone
from mm_perception.head import Head, Judge, Judgement
from mm_perception.observation import Modality
from mm_perception.trust import modes_of

_PATIENCE = 3  # ms after which it is asked again whether a network is still wanted
_BFLOAT16 = 'BF16'  # what OpenVINO calls it among a processor's capabilities


def is_installed() -> bool:
    """Tell whether OpenVINO is there, without importing it."""
    return find_spec('openvino') is not None


def precisions() -> tuple[Precision, ...]:
    """List what this processor computes in; bfloat16 only where it has instructions for it."""
    return ('float32', 'bfloat16', 'int8') if _has_bfloat16(_core()) else ('float32', 'int8')


class OpenVinoEngine(Engine):
    """Runs the backbones through OpenVINO.

    Two networks that run at once, on half of the processors each, are done sooner than one after
    the other on all: a network is never shared out evenly. One that runs alone has all of them, and
    so has each where they have unequal numbers of images, or processors cannot be halved. A network
    that is not wanted any more is cancelled at its next layer.
    """

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
        self.name, self.precision = f'openvino {precision}', precision
        core = _core()
        # What int8 leaves over, the layers that were not quantized, is in the fewest bits, too.
        fewer = precision != 'float32' and _has_bfloat16(core)
        self._hints = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_NUM_THREADS': threads,
            'INFERENCE_PRECISION_HINT': 'bf16' if fewer else 'f32',
        }
        # Each a part of the processors: pinned to them, both would be given the same ones. With a
        # stream each in place of it OpenVINO 2026.4 computes some int8 networks wrong.
        part = {'INFERENCE_NUM_THREADS': threads // len(backbones), 'ENABLE_CPU_PINNING': False}
        at_once = len(backbones) > 1 and not threads % len(backbones)  # or some would do nothing
        built: dict[object, tuple[Any, Any]] = {}
        self._alone: dict[Modality, Any] = {}
        self._beside: dict[Modality, Any] = {}
        for modality, network in backbones.items():
            file = (quantized or {}).get(modality)
            key = id(network) if file is None else file
            if key not in built:
                model = convert(network, size) if file is None else _read(core, file, size)
                built[key] = model, _request(core, model, self._hints)
            model, self._alone[modality] = built[key]
            if at_once:
                self._beside[modality] = _request(core, model, self._hints | part)

    def __call__(self, images: Images, wanted: Wanted = always) -> dict[Modality, Tensor]:
        """Compute features, of several modalities at once; see `Engine`."""
        there = {m: np.ascontiguousarray(each) for m, each in images.items() if wanted(m)}
        alike = len({len(batch) for batch in there.values()}) == 1
        requests = self._beside if alike and len(there) == len(self._beside) else self._alone
        if requests is self._alone:
            return super().__call__(there, wanted)
        found = _infer({m: (requests[m], batch) for m, batch in there.items()}, wanted)
        self.took = {m: requests[m].latency for m in found}
        return {m: values for m, values in found.items() if wanted(m)}

    def compute(
        self, modality: Modality, batch: NDArray[np.uint8], wanted: Callable[[], bool]
    ) -> Tensor | None:
        """Infer; see `Engine`."""
        if not wanted():
            return None
        question = {modality: (self._alone[modality], np.ascontiguousarray(batch))}
        return _infer(question, lambda _: wanted()).get(modality)

    def judge(self, head: Head) -> Judge:
        """Give the head as networks of OpenVINO, which do without it; see `Engine`."""
        return OpenVinoHead(head, self._hints)


class OpenVinoHead:
    """Judges as a head does, by a network of its own for each mode.

    For one object a head takes as long as reading its weights, which here are bfloat16 where the
    engine is not float32, and are read by all processors.
    """

    def __init__(self, head: Head, hints: Mapping[str, Any]) -> None:
        """Build.

        Args:
            head: What is learned, on the CPU.
            hints: How to compute.

        Raises:
            Exception: OpenVINO cannot convert it; each of its versions has errors of its own.

        """
        self._tells_trust = head.tells_trust
        self._modes: dict[frozenset[str], tuple[tuple[str, ...], Any]] = {}
        for names in modes_of(head.model.modalities).values():
            sizes = [head.model.modalities[name] for name in names]
            example = tuple(torch.zeros(1, size) for size in sizes)
            with torch.inference_mode():
                model = import_openvino().convert_model(_Mode(head, names), example_input=example)
            model.reshape({number: [-1, size] for number, size in enumerate(sizes)})
            self._modes[frozenset(names)] = names, _request(_core(), model, hints)

    def __call__(self, features: Mapping[str, Tensor]) -> Judgement:
        """Judge any modalities' features, [N, D] each."""
        names, request = self._modes[frozenset(features)]
        given = [features[name].contiguous().numpy() for name in names]
        request.infer(dict(enumerate(given)), share_inputs=True)
        several = len(names) > 1
        return Judgement.unstacked(
            _answer(request), novelty=self._tells_trust, contradiction=self._tells_trust and several
        )


class _Mode(nn.Module):
    """A head in one mode, from a tensor for each modality, [N, D], to one tensor, [N, K + 2]."""

    def __init__(self, head: Head, names: tuple[str, ...]) -> None:
        super().__init__()
        self._head, self._names = head, names

    def forward(self, *features: Tensor) -> Tensor:
        judgement: Judgement = self._head(dict(zip(self._names, features, strict=True)))
        return judgement.stacked()


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


def _request(core: Any, model: Any, hints: Mapping[str, Any]) -> Any:
    return core.compile_model(model, 'CPU', dict(hints)).create_infer_request()


def _answer(request: Any) -> Tensor:
    """Copy what was inferred: the next inference writes into the same memory."""
    return torch.from_numpy(request.get_output_tensor(0).data.copy())


def _infer(
    questions: Mapping[Modality, tuple[Any, NDArray[np.uint8]]], wanted: Wanted
) -> dict[Modality, Tensor]:
    """Have requests infer at once, each its batch; what is not wanted any more is left out."""
    started: dict[Modality, Any] = {}
    found: dict[Modality, Tensor] = {}
    try:
        for modality, (request, batch) in questions.items():
            request.start_async({0: batch}, share_inputs=True)
            started[modality] = request
        waiting = dict(started)
        while waiting:
            for modality in [m for m in waiting if not wanted(m)]:
                waiting.pop(modality).cancel()
            for modality, request in [*waiting.items()][:1]:
                if request.wait_for(_PATIENCE):
                    found[modality] = _answer(waiting.pop(modality))
    finally:  # whatever went wrong with one, or it would be busy when it is asked next
        for request in started.values():
            with suppress(RuntimeError):  # cancelled, or what is being raised
                request.wait()
    return found


@cache
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
