# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings become features, computed once and kept on disk.

Features are keyed by what they depend on: the recording's files and topics, which observations
are taken, and the whole pipeline with its weights' fingerprints. Labels are no part of the key.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mm_perception.errors import ImageError, TrainingError
from mm_perception.observation import Modality, Observation
from mm_perception.pipeline import Image, Pipeline
from training.climb import UNLABELLED
from training.fit import TrainingData

_FORMAT = 1  # raise it when the code between an observation and a row changes what rows hold
_BATCH = 16
_THUMBNAIL = 72  # pixels; enough to tell on a report's sheet what was shown


class Source(Protocol):
    """A recording: frames in time."""

    @property
    def name(self) -> str:
        """Unique among the sources used together."""

    def identity(self) -> Mapping[str, object]:
        """All that its observations depend on, as JSON: files with size and time, topics."""

    def observations(self, every: int) -> Iterator[tuple[int, Observation]]:
        """Give every n-th observation with its time in ns, as labels count it."""


@dataclass(frozen=True)
class Rows:
    """What is known of one recording's observations of all modalities.

    Attributes:
        recording: The source's name.
        times: [N] int64, ns.
        features: [N, D] ≥ 0 by modality.
        thumbnails: [N, t, t, 3] uint8 by modality, of the networks' input.

    """

    recording: str
    times: Tensor
    features: dict[str, Tensor]
    thumbnails: dict[str, Tensor]

    def __len__(self) -> int:
        """Count the observations."""
        return len(self.times)


@dataclass(frozen=True)
class Dataset:
    """Rows of several recordings, and the labels that there are.

    Attributes:
        rows: By recording.
        labels: For each recording, the class name or None of each row.

    """

    rows: tuple[Rows, ...]
    labels: tuple[tuple[str | None, ...], ...]

    def classes(self) -> tuple[str, ...]:
        """All class names, sorted."""
        return tuple(sorted({name for names in self.labels for name in names if name}))

    def training_data(self, classes: Sequence[str]) -> TrainingData:
        """Join all rows for `fit`; a label that is not among the classes counts as none."""
        index = {name: i for i, name in enumerate(classes)}
        numbers = [index.get(name or '', UNLABELLED) for names in self.labels for name in names]
        return TrainingData(self._join('features'), torch.tensor(numbers), tuple(classes))

    def thumbnails(self) -> dict[str, NDArray[np.uint8]]:
        """Join all rows' pictures."""
        return {name: images.numpy() for name, images in self._join('thumbnails').items()}

    def places(self) -> list[tuple[str, float]]:
        """Name each row's recording, and its seconds from that recording's first row."""
        return [
            (rows.recording, (int(time) - int(rows.times[0])) / 1e9)
            for rows in self.rows
            for time in rows.times
        ]

    def _join(self, part: str) -> dict[str, Tensor]:
        parts: list[dict[str, Tensor]] = [getattr(rows, part) for rows in self.rows]
        return {name: torch.cat([each[name] for each in parts]) for name in parts[0]}


def load_dataset(
    sources: Sequence[Source],
    label_of: Callable[[str, int], str | None],
    extract: Callable[[Source], Rows],
) -> Dataset:
    """Extract every source and look its labels up.

    Args:
        sources: The recordings.
        label_of: The label of a recording at a time in ns, if it has one.
        extract: Features of a source; see `Extractor`.

    Raises:
        TrainingError: There is not one observation with all modalities.

    """
    rows = tuple(found for source in sources if len(found := extract(source)))
    if not rows:
        names = ', '.join(source.name for source in sources) or 'none'
        raise TrainingError(f'recordings {names}: no observation with both RGB and depth')
    labels = tuple(
        tuple(label_of(each.recording, int(time)) for time in each.times) for each in rows
    )
    return Dataset(rows, labels)


class Extractor:
    """Computes a source's rows, or finds them on disk.

    Attributes:
        computed: How many observations it has computed so far.
        reused: How many it has found.
        skipped: How many lacked a modality.

    """

    def __init__(
        self,
        pipeline: Pipeline,
        cache: Path,
        every: int,
        on_batch: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Prepare.

        Args:
            pipeline: From observations to features.
            cache: The folder that keeps them.
            every: Take every n-th observation.
            on_batch: Told how many observations were just done.

        """
        self.pipeline = pipeline
        self.cache = cache
        self.every = every
        self.on_batch = on_batch
        self.computed = self.reused = self.skipped = 0
        self._path = pipeline.pinned.model_dump(mode='json')

    def __call__(self, source: Source) -> Rows:
        """Give a source's rows.

        Raises:
            RecordingError, ImageError: It cannot be read.
            TrainingError: The cache cannot be written.

        """
        file = self.cache / f'{self._key(source)}.safetensors'
        if (kept := _read(file, source.name)) is not None:
            self.reused += len(kept)
            self.on_batch(len(kept))
            return kept
        rows = self._compute(source)
        self.computed += len(rows)
        _write(file, rows)
        return rows

    def _key(self, source: Source) -> str:
        depends = [_FORMAT, self.every, self._path, source.identity()]
        return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()

    def _compute(self, source: Source) -> Rows:
        names = [str(modality) for modality in self.pipeline.settings.modalities]
        times: list[int] = []
        features: dict[str, list[Tensor]] = {name: [] for name in names}
        pictures: dict[str, list[Tensor]] = {name: [] for name in names}
        prepared = self._prepared(source)
        while batch := list(islice(prepared, _BATCH)):
            times += [time for time, _ in batch]
            images = {m: np.stack([each[m] for _, each in batch]) for m in batch[0][1]}
            for modality, values in self.pipeline.features(images).items():
                features[str(modality)].append(values.cpu())
            for modality, stack in images.items():
                pictures[str(modality)].append(_thumbnails(stack))
            self.on_batch(len(batch))
        sizes = self.pipeline.dimensions
        return Rows(
            source.name,
            torch.tensor(times, dtype=torch.int64),
            {str(m): torch.cat([torch.empty(0, d), *features[str(m)]]) for m, d in sizes.items()},
            {name: torch.cat([_no_thumbnails(), *pictures[name]]) for name in names},
        )

    def _prepared(self, source: Source) -> Iterator[tuple[int, dict[Modality, Image]]]:
        wanted = set(self.pipeline.settings.modalities)
        for time, observation in source.observations(self.every):
            try:
                images = self.pipeline.prepare(observation)
            except ImageError:  # no modality shows anything
                images = {}
            if wanted <= set(images):
                yield time, images
            else:
                self.skipped += 1


def _thumbnails(images: Image) -> Tensor:
    size = (_THUMBNAIL, _THUMBNAIL)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images]
    return torch.from_numpy(np.stack(small))


def _no_thumbnails() -> Tensor:
    return torch.empty(0, _THUMBNAIL, _THUMBNAIL, 3, dtype=torch.uint8)


def _read(file: Path, recording: str) -> Rows | None:
    """Read kept rows; None when there are none, or they are damaged and have to be made anew."""
    if not file.is_file():
        return None
    try:
        tensors = load_file(file)
        return Rows(recording, tensors['times'], _part(tensors, 'f.'), _part(tensors, 't.'))
    except (OSError, SafetensorError, KeyError):
        return None


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _write(file: Path, rows: Rows) -> None:
    tensors = {'times': rows.times}
    tensors |= {f'f.{name}': values for name, values in rows.features.items()}
    tensors |= {f't.{name}': images for name, images in rows.thumbnails.items()}
    partial = file.with_name(f'{file.name}.{os.getpid()}')
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial)
        os.replace(partial, file)  # noqa: PTH105 - the atomic call, by its name
    except (OSError, SafetensorError) as error:
        raise TrainingError(f'{file}: the features cannot be kept: {error}') from error
