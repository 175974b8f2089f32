# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Work on a GPU, recorded once as a CUDA graph and started as one from then on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.observation import Modality

Work: TypeAlias = 'Callable[[Mapping[Modality, Tensor]], Tensor]'
Arrays: TypeAlias = 'Mapping[Modality, NDArray[Any]]'
Run: TypeAlias = 'Recording | Unrecorded'
Record: TypeAlias = 'Callable[[Work, Arrays, torch.device], Run]'

_WARM_UP = 3  # cuDNN chooses its algorithms in these


class Recorder:
    """Records work; what it recorded shares its memory, since only one of it runs at a time."""

    def __init__(self) -> None:
        self._first: Recording | None = None

    def __call__(self, work: Work, arrays: Arrays, device: torch.device) -> Recording:
        """Record work on arrays of these shapes and types; see `Recording`."""
        recording = Recording(work, arrays, device, self._first)
        self._first = self._first or recording
        return recording

    def forget(self) -> None:
        """Let go of the memory that is shared, once nothing uses it any more."""
        self._first = None


class Recording:
    """Runs tensor work on arrays of the same shapes and types again and again.

    Attributes:
        graph: What was recorded.

    """

    def __init__(
        self, work: Work, arrays: Arrays, device: torch.device, beside: Recording | None
    ) -> None:
        """Record.

        Args:
            work: Whose kernels depend on no value that is computed.
            arrays: Of those shapes and types; float32 depth has a distance in each image.
            device: A GPU.
            beside: What it shares its memory with.

        """
        self._given = {
            modality: torch.from_numpy(np.array(each)).pin_memory()
            for modality, each in arrays.items()
        }
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(device), torch.inference_mode():
            self._images = {m: each.to(device) for m, each in self._given.items()}
            # What is recorded must not be the first to run.
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's own
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    work(self._images)
            torch.cuda.current_stream().wait_stream(aside)
            # Another bundle's thread may compute meanwhile, and is to be let.
            pool = None if beside is None else beside.graph.pool()
            with torch.cuda.graph(self.graph, pool=pool, capture_error_mode='thread_local'):
                self._found = work(self._images)
        self._uploaded = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's own
        self._answer = torch.empty(
            self._found.shape, dtype=self._found.dtype, device='cpu', pin_memory=True
        )

    def on_device(self, arrays: Arrays) -> Tensor:
        """Compute; what is returned, on the GPU, is written over by the next call."""
        with torch.inference_mode():
            self._uploaded.synchronize()  # the last arrays, which nobody may have waited for
            for modality, each in arrays.items():
                np.copyto(self._given[modality].numpy(), each)
                self._images[modality].copy_(self._given[modality], non_blocking=True)
            self._uploaded.record()  # type: ignore[no-untyped-call]  # torch's own
            self.graph.replay()
        return self._found

    def __call__(self, arrays: Arrays) -> Tensor:
        """Compute and wait; what is returned, in memory, is written over by the next call."""
        with torch.inference_mode():
            self._answer.copy_(self.on_device(arrays), non_blocking=True)
            torch.cuda.current_stream(self._found.device).synchronize()
        return self._answer


class Unrecorded:
    """The same by starting each kernel, on any device: what a recording must compute, too."""

    def __init__(self, work: Work, arrays: Arrays, device: torch.device) -> None:
        """Take the work; see `Recording`."""
        del arrays
        self._work, self._device = work, device

    def on_device(self, arrays: Arrays) -> Tensor:
        """Compute, and leave it on the device."""
        with torch.inference_mode():
            images = {
                modality: torch.from_numpy(np.array(each)).to(self._device)
                for modality, each in arrays.items()
            }
            return self._work(images)

    def __call__(self, arrays: Arrays) -> Tensor:
        """Compute, and bring it into memory."""
        return self.on_device(arrays).cpu()
