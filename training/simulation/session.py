# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recording session: a bag for each object, or one bag in which objects come in turn."""

from __future__ import annotations

import shutil
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mm_perception.errors import RecordingError, SettingsError

from .objects import CATEGORIES, key_of
from .stretches import Stretch, choose_frames, write_labels
from .take import Pair, Take, pictures
from .timing import MIDDLE, tick_time
from .workers import shared_among
from .writing import Written, write_bag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from .settings import Fault, SimulationSettings

    Progress = Callable[[int, int], None]

CHUNK = 15
"""Frame pairs that a process makes at a time of a bag of several objects."""


class Shot(NamedTuple):
    """An object's turn in a bag of several: for how many seconds it is before the camera."""

    category: str
    instance: int
    seconds: float


def simulate(
    settings: SimulationSettings, output: Path, progress: Progress | None = None
) -> list[Path]:
    """Record each instance in a bag of its own: ``train/<category>_<n>``, ``test/<category>_<n>``.

    Beside the bags of each folder lies its ``labels.csv``: of the chosen share of the training
    frames, and of all test frames.

    Args:
        settings: What to record.
        output: The folder for both; ``train`` and ``test`` must not be there yet.
        progress: Called with the frame pairs done and all there are, after each bag.

    Returns:
        The bags, those for training first.

    Raises:
        RecordingError: ``train`` or ``test`` is there already, or cannot be written; nothing of
            this session is left then.

    """
    train = _takes(settings, 1, settings.training_instances)
    test = _takes(settings, settings.training_instances + 1, settings.test_instances)
    folders = {
        output / 'train': (train, settings.labelled_fraction),
        output / 'test': (test, 1.0),
    }
    for folder in folders:
        _refuse_to_overwrite(folder)
    jobs = [
        (folder / name, take)
        for folder, (takes, _) in folders.items()
        for name, take in takes.items()
    ]
    made = {path.parent for path, _ in jobs}
    for folder in made:
        _make(folder)
    frames = frame_count(settings, settings.seconds)
    bags: dict[Path, Written] = {}
    try:
        with shared_among(settings.workers, partial(_record, settings), jobs) as recorded:
            for bag in recorded:
                bags[bag.path] = bag
                if progress:
                    progress(len(bags) * frames, len(jobs) * frames)
    except BaseException:
        # Ctrl-C too: half a session without labels would only be in the way of the next one.
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    for folder, (takes, fraction) in folders.items():
        if takes:
            written = {name: bags[folder / name] for name in takes}
            write_labels(folder / 'labels.csv', _stretches(settings, takes, written, fraction))
    return list(bags)


def record_sequence(
    settings: SimulationSettings,
    shots: Sequence[Shot | tuple[str, int, float]],
    path: Path,
    faults: Sequence[Fault] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Record one bag in which objects come before the camera in turn.

    The topic ``/object_label_truth`` (std_msgs/String) tells which it is: a message a tick, just
    before the tick's pictures, so that who comes late misses nothing.

    Args:
        settings: How to record; ``seconds``, ``categories`` and the split do not matter here.
        shots: The objects in order, each with its time.
        path: The bag's folder; it must not be there yet.
        faults: Sensor failures, in seconds from the bag's start; those of the settings if None.
        progress: Called with the frame pairs done and all there are, after each.

    Returns:
        The bag's folder.

    Raises:
        SettingsError: No shots, or one of an unknown category, without an instance or a time.
        RecordingError: The folder is there already, or cannot be written.

    """
    turns = _checked(shots)
    _refuse_to_overwrite(path)
    _make(path.parent)
    counts = [frame_count(settings, shot.seconds) for shot in turns]
    chunks = [
        (Take(shot.category, shot.instance, number), range(first, min(first + CHUNK, count)))
        for number, (shot, count) in enumerate(zip(turns, counts, strict=True), 1)
        for first in range(0, count, CHUNK)
    ]

    def told(done: int) -> None:
        if progress:
            progress(done, sum(counts))

    with shared_among(settings.workers, partial(_chunk, settings), chunks) as made:
        pairs = (
            (take.category, pair)
            for (take, _), part in zip(chunks, made, strict=True)
            for pair in part
        )
        failing = settings.faults if faults is None else faults
        return write_bag(settings, path, pairs, failing, truth=True, told=told).path


def frame_count(settings: SimulationSettings, seconds: float) -> int:
    """How many frame pairs a time gives: at least one."""
    return max(1, round(seconds * settings.rate_hz))


def _takes(settings: SimulationSettings, first: int, count: int) -> dict[str, Take]:
    return {
        f'{category}_{instance}': Take(category, instance)
        for category in settings.categories
        for instance in range(first, first + count)
    }


def _checked(shots: Sequence[Shot | tuple[str, int, float]]) -> list[Shot]:
    turns = [Shot(*shot) for shot in shots]
    if not turns:
        raise SettingsError('shots: none given; name at least one category, instance and time')
    for number, shot in enumerate(turns, 1):
        if shot.category not in CATEGORIES:
            raise SettingsError(
                f'shot {number}: no category {shot.category!r}; choose from {", ".join(CATEGORIES)}'
            )
        if shot.instance < 1 or not shot.seconds > 0:
            raise SettingsError(
                f'shot {number}: instance {shot.instance} for {shot.seconds} s; '
                'instances count from 1, and the time must be above 0'
            )
    return turns


def _refuse_to_overwrite(folder: Path) -> None:
    if folder.exists():
        raise RecordingError(f'{folder}: is there already; remove it or choose another folder')


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise RecordingError(f'{folder}: cannot be made: {reason}; choose another') from error


def _record(settings: SimulationSettings, job: tuple[Path, Take]) -> Written:
    """Record one instance in its bag."""
    path, take = job
    made = pictures(settings, take, range(frame_count(settings, settings.seconds)))
    return write_bag(settings, path, ((take.category, pair) for pair in made), settings.faults)


def _chunk(settings: SimulationSettings, job: tuple[Take, range]) -> list[Pair]:
    """Make some of a take's pictures."""
    return list(pictures(settings, *job))


def _stretches(
    settings: SimulationSettings,
    takes: Mapping[str, Take],
    written: Mapping[str, Written],
    fraction: float,
) -> list[Stretch]:
    """Label a share of the frames of a folder's recordings."""
    names = defaultdict(list)
    for name, take in takes.items():
        names[take.category].append(name)
    chosen = choose_frames(
        names,
        frames=frame_count(settings, settings.seconds),
        length=frame_count(settings, settings.stretch_seconds),
        fraction=fraction,
        rng=np.random.default_rng([settings.seed, key_of('labels')]),
    )
    stretches = []
    for name, take in takes.items():
        bag = written[name]
        for ticks in chosen[name]:
            # From half a period before the first tick to half a period after the last.
            start = tick_time(settings, ticks.start - 0.5) + MIDDLE
            end = tick_time(settings, ticks.stop - 0.5) + MIDDLE
            if start <= bag.last and end > bag.first:  # a faulty sensor may have sent nothing
                since = max(0, start - bag.first) / 10**9
                stretches.append(Stretch(name, since, (end - bag.first) / 10**9, take.category))
    return stretches
