# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A backbone's kernels as one CUDA graph: for one image, starting them one by one takes longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.engines.engine import Engine, Precision
from mm_perception.engines.torch_engine import TorchEngine
from mm_perception.features import Backbone
from mm_perception.gpu.recording import Record, Recorder, Run
from mm_perception.observation import Modality


class GraphEngine(Engine):
    """Records each backbone's work for one image, and replays it.

    What is recorded runs through: whether a modality is still wanted is asked before and after.
    Several images at once are computed as torch does, since starting kernels is then no matter.

    Attributes:
        networks: What is recorded, by modality.

    """

    def __init__(
        self,
        backbones: Mapping[Modality, Backbone],
        precision: Precision,
        record: Record | None = None,
    ) -> None:
        """Take the backbones where they are; other precisions have copies of their own.

        Args:
            backbones: All on one GPU.
            precision: One of ``TORCH_PRECISIONS``.
            record: Makes of work what does it again and again; by default a `Recorder`.

        """
        self.name, self.precision = f'cudagraph {precision}', precision
        self._plain = TorchEngine(backbones, precision)
        self.networks = self._plain.networks
        self._recorder = Recorder()
        self._record = record or self._recorder
        self._recorded: dict[Modality, Run] = {}

    def compute(
        self, modality: Modality, batch: NDArray[np.uint8], wanted: Callable[[], bool]
    ) -> Tensor | None:
        """Replay one image; see `Engine`."""
        if len(batch) > 1:
            return self._plain.compute(modality, batch, wanted)
        if not wanted():
            return None
        network, arrays = self.networks[modality], {modality: batch}
        if modality not in self._recorded:

            def work(images: Mapping[Modality, Tensor]) -> Tensor:
                return network(images[modality])  # type: ignore[no-any-return]  # torch's own

            self._recorded[modality] = self._record(work, arrays, network.device)
        # A copy: the next replay writes into the same memory.
        return self._recorded[modality].on_device(arrays).clone()

    def forget(self) -> None:
        """Give back what recordings hold of the GPU's memory; they are made anew when needed."""
        self._recorded.clear()
        self._recorder.forget()
