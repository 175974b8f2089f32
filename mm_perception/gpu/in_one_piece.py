# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The inference whose every step is on the GPU, and which is started as one."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mm_perception.features import Backbone
from mm_perception.gpu.holes import can_fill
from mm_perception.gpu.recording import Arrays, Record, Recorder, Run, Unrecorded
from mm_perception.gpu.whole_path import Shapes, WholePath
from mm_perception.head import Head
from mm_perception.inference import Inference
from mm_perception.judging import Item, Verdict
from mm_perception.objects.boxes import Box
from mm_perception.observation import Modality, Observation
from mm_perception.pipeline import PipelineSettings, picture, prepare
from mm_perception.preprocessing import PreprocessingSettings
from mm_perception.serving.request import Trusted

_Key: TypeAlias = 'tuple[int, tuple[tuple[Modality, tuple[int, ...]], ...]]'

_MOST = 32
"""Recordings that are kept; a robot needs one for each resolution and mode."""


class InOnePiece(Inference):
    """Uploads crops as they are, and has the GPU do the rest without asking again.

    A recording is for images of given shapes, and made when the first such come. So boxes, of which
    no two are alike, are scaled on the processor as they were before, and then all have one size;
    and so are depth's other encodings than jet, and images whose holes are too many to fill here.
    Items are recorded by twos, fours, eights: the last one fills a batch up.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        networks: Mapping[Modality, Backbone],
        head: Head,
        record: Record | None = None,
        said: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take networks and head where they are to compute.

        Args:
            settings: The path.
            networks: By modality.
            head: What is learned.
            record: Makes of work what does it again and again; by default a `Recorder`.
            said: Told what cannot be recorded.

        """
        self._settings, self._networks, self._head = settings, networks, head
        self._record, self._said = record or Recorder(), said
        self._recorded: OrderedDict[_Key, tuple[WholePath, Run]] = OrderedDict()

    def prepare(self, observation: Observation, box: Box | None = None) -> Item:
        """Cut out what is to be uploaded; see `Inference`."""
        if box is not None or self._settings.region.tabletop is not None:
            return prepare(observation, self._settings, box)
        return prepare(observation, self._settings, make=_to_upload)

    def judge(self, items: Sequence[Item], trusts: Sequence[Trusted]) -> list[Verdict | None]:
        """Judge all items of the same shapes at once; see `Inference`."""
        groups: dict[tuple[tuple[Modality, tuple[int, ...]], ...], list[int]] = defaultdict(list)
        for number, (item, trusted) in enumerate(zip(items, trusts, strict=True)):
            present = [m for m in self._settings.modalities if m in item and trusted(m)]
            groups[tuple((m, item[m].shape) for m in present)].append(number)
        found: list[Verdict | None] = [None] * len(items)
        for shapes, numbers in groups.items():
            if not shapes:
                continue
            path, answers = self._answers(dict(shapes), [items[n] for n in numbers])
            for row, number in enumerate(numbers):
                # One that was lost meanwhile has no say: the answer without it is there, too.
                usable = tuple(m for m, _ in shapes if trusts[number](m))
                if usable:
                    answer = answers[path.modes.index(usable), row].tolist()
                    found[number] = path.verdict(answer, usable)
        return found

    def _answers(self, shapes: Shapes, items: Sequence[Item]) -> tuple[WholePath, Tensor]:
        count = 1 << (len(items) - 1).bit_length()
        filled = [*items, *[items[-1]] * (count - len(items))]
        arrays = {modality: _stacked([item[modality] for item in filled]) for modality in shapes}
        key = count, tuple(shapes.items())
        if key not in self._recorded:
            path = WholePath(self._settings.preprocessing, self._networks, self._head, shapes)
            self._recorded[key] = path, self._ready(path, arrays)
            if len(self._recorded) > _MOST:
                self._recorded.popitem(last=False)
        self._recorded.move_to_end(key)
        path, run = self._recorded[key]
        return path, run(arrays)

    def _ready(self, path: WholePath, arrays: Arrays) -> Run:
        device = next(iter(self._networks.values())).device
        try:
            return self._record(path, arrays, device)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # a slower label is better than none
            self._said(f'cannot be recorded ({error}): its kernels are started one by one')
            return Unrecorded(path, arrays, device)


def _to_upload(
    modality: Modality, crop: NDArray[Any], settings: PreprocessingSettings
) -> NDArray[Any]:
    if modality is Modality.RGB:
        return crop
    if settings.depth_encoding != 'jet' or not can_fill(*crop.shape):
        return picture(modality, crop, settings)
    return crop


def _stacked(images: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return images[0][None] if len(images) == 1 else np.stack(images)
