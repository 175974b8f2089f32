# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the CPU: float32, bfloat16, or a network that was quantized to int8 in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.engines.engine import Engine, Images, Precision, Wanted, always
from mm_perception.engines.openvino_head import OpenVinoHead
from mm_perception.engines.openvino_runtime import (
    answer_of,
    core,
    has_bfloat16,
    import_openvino,
    request_of,
)
from mm_perception.errors import BundleError
from mm_perception.features import Backbone
from mm_perception.head import Head, Judge
from mm_perception.observation import Modality

_PATIENCE = 3  # ms after which it is asked again whether a network is still wanted


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
        # What int8 leaves over, the layers that were not quantized, is in the fewest bits, too.
        fewer = precision != 'float32' and has_bfloat16()
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
                model = convert(network, size) if file is None else _read(file, size)
                built[key] = model, request_of(model, self._hints)
            model, self._alone[modality] = built[key]
            if at_once:
                self._beside[modality] = request_of(model, self._hints | part)

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


def convert(backbone: Backbone, size: int) -> Any:
    """Turn a backbone into an OpenVINO model of any number of size × size images."""
    with torch.inference_mode():
        example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
        model = import_openvino().convert_model(backbone, example_input=example)
    model.reshape([-1, size, size, 3])
    return model


def _read(file: Path, size: int) -> Any:
    try:
        model = core().read_model(file)
    except RuntimeError as error:
        why = str(error).strip().splitlines()[-1]
        raise BundleError(f'{file}: cannot be read by OpenVINO: {why}; copy it again') from error
    shape = import_openvino().PartialShape([-1, size, size, 3])
    takes_images = len(model.inputs) == 1 and model.input().partial_shape.compatible(shape)
    if not takes_images or len(model.outputs) != 1:
        raise BundleError(f'{file}: not a network from images to features; copy the bundle again')
    return model


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
                    found[modality] = answer_of(waiting.pop(modality))
    finally:  # whatever went wrong with one, or it would be busy when it is asked next
        for request in started.values():
            with suppress(RuntimeError):  # cancelled, or what is being raised
                request.wait()
    return found
