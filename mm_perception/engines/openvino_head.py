# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The head, what is learned of a bundle, by OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mm_perception.engines.openvino_runtime import answer_of, import_openvino, request_of
from mm_perception.head import Head, Judgement
from mm_perception.trust import modes_of


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
            self._modes[frozenset(names)] = names, request_of(model, hints)

    def __call__(self, features: Mapping[str, Tensor]) -> Judgement:
        """Judge any modalities' features, [N, D] each."""
        names, request = self._modes[frozenset(features)]
        given = [features[name].contiguous().numpy() for name in names]
        request.infer(dict(enumerate(given)), share_inputs=True)
        several = len(names) > 1
        return Judgement.unstacked(
            answer_of(request),
            novelty=self._tells_trust,
            contradiction=self._tells_trust and several,
        )


class _Mode(nn.Module):
    """A head in one mode, from a tensor for each modality, [N, D], to one tensor, [N, K + 2]."""

    def __init__(self, head: Head, names: tuple[str, ...]) -> None:
        super().__init__()
        self._head, self._names = head, names

    def forward(self, *features: Tensor) -> Tensor:
        judgement: Judgement = self._head(dict(zip(self._names, features, strict=True)))
        return judgement.stacked()
