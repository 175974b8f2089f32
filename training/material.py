# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the user named becomes sources and their labels, and is split by recording."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mm_perception.errors import LabelError
from training.features.dataset import Dataset, Source
from training.holdout import choose
from training.recordings.bags import Recording, find_recordings
from training.recordings.labels import Labels, Span, from_csv, from_folder, from_topic
from training.recordings.sources import BagSource, washington_sources
from training.recordings.washington import read_trials

LABELS_FILE = 'labels.csv'
"""Read without being named, where it lies in a folder of recordings."""


@dataclass(frozen=True)
class Material:
    """Sources and what is known of them.

    Attributes:
        sources: The recordings.
        label_of: The label of a recording's moment (ns), if it has one.

    """

    sources: Sequence[Source]
    label_of: Callable[[str, int], str | None]


@dataclass(frozen=True)
class BagOptions:
    """How bags are read.

    Attributes:
        labels: A CSV file; None takes ``labels.csv`` in each of the folders given.
        label_topic: A std_msgs/String topic in the bags, in place of a file.
        label_folders: Whether folder names are the labels, in place of a file.
        rgb_topic: The colour topic; None finds it.
        depth_topic: The depth topic, likewise.
        labelled: Whether labels are wanted; else none are looked for.

    """

    labels: Path | None = None
    label_topic: str | None = None
    label_folders: bool = False
    rgb_topic: str | None = None
    depth_topic: str | None = None
    labelled: bool = True


def bag_material(paths: Sequence[Path], options: BagOptions) -> Material:
    """Find the recordings in paths, and their labels.

    Raises:
        RecordingError, LabelError: See ``find_recordings`` and ``training.recordings.labels``.

    """
    recordings = find_recordings(paths)
    if not options.labelled:
        labels = Labels({})
    elif options.label_folders:
        labels = from_folder(recordings)
    elif options.label_topic is not None:
        labels = from_topic(options.label_topic, recordings)
    elif options.labels is not None:
        labels = from_csv(options.labels, recordings)
    else:
        labels = _labels_beside(paths, recordings)
    sources = [BagSource(r, options.rgb_topic, options.depth_topic) for r in recordings]
    return Material(sources, labels.at)


def washington_material(root: Path) -> Material:
    """Read the Washington RGB-D Object Dataset; every crop has its category as label.

    Raises:
        RecordingError: The folder is not laid out as the data set.

    """
    sources = washington_sources(root)
    categories = {source.name: source.category for source in sources}
    return Material(sources, lambda name, _: categories.get(name))


def held_out_by_trial(path: Path, trial: int) -> frozenset[str]:
    """Name the instances that one of the data set's official trials holds out, from 1.

    Raises:
        RecordingError: The file cannot be read.
        LabelError: It has no such trial.

    """
    trials = read_trials(path)
    if not 1 <= trial <= len(trials):
        raise LabelError(f'{path}: has trials 1 to {len(trials)}, not {trial}')
    return trials[trial - 1]


def held_out_at_random(dataset: Dataset, share: float, seed: int) -> frozenset[str]:
    """Choose recordings to hold out: of each class a share, at least one where it has two.

    A recording counts to every class that it shows, and stays where it is the last one of a class;
    recordings without a label always train.

    Raises:
        LabelError: Each is the only one of a class, or none has a label.

    """
    showing: dict[str, set[str]] = defaultdict(set)
    for rows, labels in zip(dataset.rows, dataset.labels, strict=True):
        for label in {label for label in labels if label}:
            showing[label].add(rows.recording)
    by_class = [names for _, names in sorted(showing.items())]
    held_out = choose(by_class, lambda recordings: max(round(share * recordings), 1), seed)
    if not held_out:
        alone = sorted(label for label, names in showing.items() if len(names) == 1)
        raise LabelError(
            'held-out recordings: each labelled one is the only one of a class; give another of '
            f'{" or ".join(alone[:3])}, or name some to test on with --test'
            if alone
            else 'held-out recordings: none has a label; label some'
        )
    return held_out


def split(dataset: Dataset, held_out: frozenset[str]) -> tuple[Dataset, Dataset]:
    """Divide a dataset into what trains and what is held out.

    Raises:
        LabelError: Either has no recording.

    """
    parts = []
    for wanted in (False, True):
        pairs = [
            (rows, labels)
            for rows, labels in zip(dataset.rows, dataset.labels, strict=True)
            if (rows.recording in held_out) is wanted
        ]
        if not pairs:
            raise LabelError(
                f'held-out recordings: {"none" if wanted else "all"} of those given; '
                'give more recordings, or name some with --test'
            )
        parts.append(Dataset(tuple(rows for rows, _ in pairs), tuple(known for _, known in pairs)))
    return parts[0], parts[1]


def set_aside(train: Dataset, test: Dataset, classes: Collection[str]) -> tuple[Dataset, Dataset]:
    """Move all recordings that show some classes to what is held out: objects never learned.

    Raises:
        LabelError: Nothing shows one of the classes, or no recording is left to train with.

    """
    if strange := set(classes) - {*train.classes(), *test.classes()}:
        raise LabelError(
            f'--leave-out {min(strange)}: no recording shows it; they show '
            f'{", ".join(train.classes())}'
        )
    moved = frozenset(
        rows.recording
        for rows, labels in zip(train.rows, train.labels, strict=True)
        if not set(labels).isdisjoint(classes)
    )
    if not moved:
        return train, test
    if len(moved) == len(train.rows):
        raise LabelError('--leave-out: no recording is left to train with; leave fewer out')
    kept, left = split(train, moved)
    return kept, Dataset(test.rows + left.rows, test.labels + left.labels)


def refuse_overlap(train: Material, test: Material) -> None:
    """Refuse to score a model on what it was trained on.

    Raises:
        LabelError: A recording is among both, itself or as a copy.
        RecordingError: One cannot be read.

    """
    trained = [source.identity() for source in train.sources]
    for source in test.sources:
        if source.identity() in trained:
            raise LabelError(
                f'--test: recording {source.name} is also among those to train with; '
                'keep the two apart'
            )
        copied = [other.name for other in train.sources if _is_copy(source, other)]
        if copied:
            raise LabelError(
                f'--test: recording {source.name} looks like a copy of {copied[0]}, which is among '
                'those to train with: it has the same times, messages and first images; keep the '
                'two apart'
            )


def _is_copy(source: Source, other: Source) -> bool:
    if not (isinstance(source, BagSource) and isinstance(other, BagSource)):
        return False
    return source.recording.is_copy_of(other.recording)


def _labels_beside(paths: Sequence[Path], recordings: Sequence[Recording]) -> Labels:
    """Read the file in every folder given, each for the recordings below that folder."""
    spans: dict[str, list[Span]] = {}
    files = [path / LABELS_FILE for path in paths if (path / LABELS_FILE).is_file()]
    if not files:
        raise LabelError(
            f'{paths[0]}: no {LABELS_FILE} in it; give --labels FILE, --label-topic TOPIC '
            'or --label-folders'
        )
    for file in files:
        below = [r for r in recordings if r.root.resolve() == file.parent.resolve()]
        spans |= from_csv(file, below).spans
    return Labels(spans)
