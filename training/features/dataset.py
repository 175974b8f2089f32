# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings become features, computed once and kept on disk.

Features are keyed by what they depend on: the recording's files and topics, which observations
are taken, and the whole pipeline with its weights' fingerprints. Labels are no part of the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mm_perception.engines.candidates import processors
from mm_perception.errors import RecordingError, TrainingError
from mm_perception.manifest import brief
from mm_perception.observation import Modality, Observation
from mm_perception.pipeline import Pipeline
from training.durable import replacing
from training.features.prefetch import START, read_ahead
from training.features.reading import THUMBNAIL, Batch, Reading
from training.features.views import View
from training.fitting.climb import UNLABELLED
from training.fitting.distributed import ALONE, Ranks, local_size
from training.fitting.fit import TrainingData
from training.fitting.joined import Joined

_FORMAT = 2  # raise it when the code between an observation and a row changes what rows hold
_MOST_READERS = 16  # processes; one prepares well over a hundred observations a second


class Source(Protocol):
    """A recording: frames in time."""

    @property
    def name(self) -> str:
        """Unique among the sources used together."""

    @property
    def start(self) -> int:
        """The time in ns from which a person counts: 0, but for times that are made up."""

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
        views: As ``features``, of the same moments seen differently, any number of times.
        start: The source's.

    """

    recording: str
    times: Tensor
    features: dict[str, Tensor]
    thumbnails: dict[str, Tensor]
    views: tuple[dict[str, Tensor], ...] = ()
    start: int = 0

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
        features = self._joined([rows.features for rows in self.rows])
        views = zip(*(rows.views for rows in self.rows), strict=True)
        seen = tuple(self._joined(each) for each in views)
        return TrainingData(features, torch.tensor(numbers), tuple(classes), seen)

    @staticmethod
    def _joined(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Joined]:
        return {name: Joined([each[name] for each in parts]) for name in parts[0]}

    def thumbnails(self) -> dict[str, NDArray[np.uint8]]:
        """Join all rows' pictures."""
        names = self.rows[0].thumbnails
        return {n: torch.cat([each.thumbnails[n] for each in self.rows]).numpy() for n in names}

    def places(self) -> list[tuple[str, float]]:
        """Name each row's recording, and its seconds from that recording's start, as labels do."""
        return [
            (rows.recording, (int(time) - rows.start) / 1e9)
            for rows in self.rows
            for time in rows.times
        ]


def load_dataset(
    sources: Sequence[Source],
    label_of: Callable[[str, int], str | None],
    extract: Callable[[Sequence[Source]], Sequence[Rows]],
    views: int = 0,
) -> Dataset:
    """Extract every source and look its labels up.

    Args:
        sources: The recordings.
        label_of: The label of a recording at a time in ns, if it has one.
        extract: Features of each source; see `Extractor`.
        views: How many views of each picture there are to be, beside itself.

    Raises:
        TrainingError: There is not one observation with all modalities.

    """
    seen = [View(source, n) for n in range(1, views + 1) for source in sources]
    found = extract([*sources, *seen])
    rows = tuple(
        replace(
            each,
            views=tuple(v.features for v in found[number + len(sources) :: len(sources)]),
            start=sources[number].start,
        )
        for number, each in enumerate(found[: len(sources)])
        if len(each)
    )
    if not rows:
        names = ', '.join(source.name for source in sources) or 'none'
        raise TrainingError(f'recordings {names}: no observation with both RGB and depth')
    labels = tuple(
        tuple(label_of(each.recording, int(time)) for time in each.times) for each in rows
    )
    return Dataset(rows, labels)


class Extractor:
    """Computes sources' rows, or finds them on disk.

    Attributes:
        readers: How many processes read and prepare beside the one that computes: as many as there
            are processors that torch leaves to them; 0 where it leaves none.
        patience: Seconds of reading, before they are started.
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
        ranks: Ranks = ALONE,
    ) -> None:
        """Prepare.

        Args:
            pipeline: From observations to features.
            cache: The folder that keeps them.
            every: Take every n-th observation.
            on_batch: Told how many observations were just done.
            ranks: The processes that share out what is to be computed.

        """
        self.pipeline = pipeline
        self.cache = cache
        self.every = every
        self.on_batch = on_batch
        self.ranks = ranks
        self.readers, self.patience = _readers(pipeline.device), START
        self.computed = self.reused = self.skipped = 0
        self._path = pipeline.pinned.model_dump(mode='json')

    def __call__(self, sources: Sequence[Source]) -> list[Rows]:
        """Give each source's rows; what is computed is kept as soon as a source is through.

        Raises:
            RecordingError, ImageError: One cannot be read; those before it are kept.
            TrainingError: The cache cannot be written.

        """
        keys = [self._key(source) for source in sources]
        files = [self.cache / f'{key}.safetensors' for key in keys]
        found: dict[int, Rows] = {}
        for number, (source, file) in enumerate(zip(sources, files, strict=True)):
            if (kept := _read(file, source.name)) is not None:
                found[number] = kept
        lacking = self.ranks.anywhere(number not in found for number in range(len(sources)))
        missing = [number for number, lacks in enumerate(lacking) if lacks]
        kept_before = [rows for number, rows in found.items() if number not in missing]
        self.reused = sum(map(len, kept_before))
        self.on_batch(self.reused)
        own = self.ranks.share(missing)
        with self.ranks.aloud():
            for place, rows in self._compute([sources[number] for number in own]):
                number = own[place]
                if self._key(sources[number]) != keys[number]:
                    raise RecordingError(
                        f'{rows.recording}: changed while it was read; read it again when '
                        'nothing writes to it'
                    )
                self.computed += len(rows)
                _write(files[number], rows)
                # As those that were there already: on disk, not in memory.
                found[number] = _read(files[number], rows.recording) or rows
        self._gather(sources, files, missing, found)
        return [found[number] for number in range(len(sources))]

    def _gather(
        self,
        sources: Sequence[Source],
        files: Sequence[Path],
        missing: Sequence[int],
        found: dict[int, Rows],
    ) -> None:
        """Wait for the other processes, and read what they have computed."""
        if self.ranks.size == 1 or not missing:
            return
        [self.skipped] = self.ranks.sum(torch.tensor([self.skipped])).tolist()
        for number in sorted(set(missing) - set(self.ranks.share(missing))):
            rows = _read(files[number], sources[number].name)
            if rows is None:
                raise TrainingError(
                    f'{files[number]}: another process has written it, and this one does not see '
                    'it; give --cache a folder on storage that every machine sees'
                )
            self.computed += len(rows)
            self.on_batch(len(rows))
            found[number] = rows

    def _key(self, source: Source) -> str:
        depends = [_FORMAT, self.every, self._path, source.identity()]
        return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()

    def _compute(self, sources: Sequence[Source]) -> Iterator[tuple[int, Rows]]:
        """Give the rows of each source, with its number, as soon as they are all there."""
        jobs = [Reading(source, self.every, self.pipeline.settings) for source in sources]
        growing: dict[int, _Growing] = {}
        modules = {Reading.__module__, *(type(source).__module__ for source in sources)}
        with closing(read_ahead(jobs, self.readers, modules, self.patience)) as batches:
            for number, batch, features in self._with_features(batches):
                rows = growing.setdefault(number, _Growing(self.pipeline))
                if batch is None:
                    yield number, growing.pop(number).rows(jobs[number].name)
                    continue
                self.skipped += batch.skipped
                rows.add(batch, features)
                self.on_batch(len(batch.times))

    def _with_features(
        self, batches: Iterator[tuple[int, Batch | None]]
    ) -> Iterator[tuple[int, Batch | None, dict[Modality, Tensor]]]:
        """Give each batch when the next one is there: a GPU computes while that is fetched."""
        begun: tuple[int, Batch, dict[Modality, Tensor]] | None = None
        for number, batch in batches:
            computing = self.pipeline.features(batch.images) if batch else {}
            if begun is not None:
                yield begun
            begun = None if batch is None else (number, batch, computing)
            if batch is None:
                yield number, None, {}


class _Growing:
    """Rows to which rows are added, in memory that grows in place: lists would need it twice."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Begin with none.

        Args:
            pipeline: Where the features come from.

        """
        self._times: list[int] = []
        self._dimensions = {str(m): size for m, size in pipeline.dimensions.items()}
        self._features = {name: bytearray() for name in self._dimensions}
        self._thumbnails = {name: bytearray() for name in self._dimensions}

    def add(self, batch: Batch, features: Mapping[Modality, Tensor]) -> None:
        """Add a batch's rows."""
        self._times += batch.times
        for modality, values in features.items():
            self._features[str(modality)] += values.cpu().numpy().data
        for modality, images in batch.thumbnails.items():
            self._thumbnails[str(modality)] += images.data

    def rows(self, recording: str) -> Rows:
        """Give the rows, after which nothing can be added."""
        return Rows(
            recording,
            torch.tensor(self._times, dtype=torch.int64),
            {
                name: _tensor(self._features[name], torch.float32, size)
                for name, size in self._dimensions.items()
            },
            {
                name: _tensor(memory, torch.uint8, THUMBNAIL, THUMBNAIL, 3)
                for name, memory in self._thumbnails.items()
            },
        )


def _tensor(memory: bytearray, dtype: torch.dtype, *shape: int) -> Tensor:
    """See memory as rows of a shape."""
    if not memory:
        return torch.empty(0, *shape, dtype=dtype)
    return torch.frombuffer(memory, dtype=dtype).view(-1, *shape)


def _readers(device: torch.device) -> int:
    """Count the processors that computing leaves free."""
    taken = torch.get_num_threads() if device.type == 'cpu' else 1
    return max(min(processors() // local_size() - taken, _MOST_READERS), 0)


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
    try:
        with replacing(file) as partial:
            save_file(tensors, partial)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f'{file}: the features cannot be kept: {brief(error)}; make room, and the same command '
            'goes on: those of earlier recordings are kept'
        ) from error
