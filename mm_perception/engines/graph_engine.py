# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A backbone's kernels as one CUDA graph: for one image, starting them one by one takes longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.engines.engine import Engine, Precision
from mm_perception.engines.torch_engine import TorchEngine
from mm_perception.features import Backbone
from mm_perception.observation import Modality

_WARM_UP = 3  # cuDNN chooses its algorithms in these


class GraphEngine(Engine):
    """Records each backbone's work for one image, and replays it.

    What is recorded runs through: whether a modality is still wanted is asked before and after.
    Several images at once are computed as torch does, since starting kernels is then no matter.
    """

    def __init__(self, backbones: Mapping[Modality, Backbone], precision: Precision) -> None:
        """Take the backbones, which are on a GPU; other precisions have copies of their own."""
        self.name = f'cudagraph {precision}'
        self._plain = TorchEngine(backbones, precision)
        self.networks = self._plain.networks
        self._recorded: dict[Modality, _Recorded] = {}

    def compute(
        self, modality: Modality, batch: NDArray[np.uint8], wanted: Callable[[], bool]
    ) -> Tensor | None:
        """Replay one image; see `Engine`."""
        if len(batch) > 1:
            return self._plain.compute(modality, batch, wanted)
        if not wanted():
            return None
        if modality not in self._recorded:
            network = self._plain.networks[modality]
            self._recorded[modality] = _Recorded(network, batch.shape)
        return self._recorded[modality](batch)


class _Recorded:
    """One network, for batches of one shape."""

    def __init__(self, network: Backbone, shape: tuple[int, ...]) -> None:
        self._upload = torch.empty(shape, dtype=torch.uint8, pin_memory=True)
        self._uploaded = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's own
        self._images = torch.zeros(shape, dtype=torch.uint8, device=network.device)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(network.device), torch.inference_mode():
            # What is recorded must not be the first to run.
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's own
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    network(self._images)
            torch.cuda.current_stream().wait_stream(aside)
            with torch.cuda.graph(self._graph, capture_error_mode='thread_local'):
                self._features: Tensor = network(self._images)

    def __call__(self, batch: NDArray[np.uint8]) -> Tensor:
        self._uploaded.synchronize()  # the last batch, which nobody may have waited for
        self._upload.numpy()[:] = batch
        self._images.copy_(self._upload, non_blocking=True)
        self._uploaded.record()  # type: ignore[no-untyped-call]  # torch's own
        self._graph.replay()
        return self._features.clone()  # the next replay writes where this one did
