# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""All that a labelling session knows, as the page is told of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mm_perception.bundle import Bundle
from mm_perception.errors import LabelError
from mm_perception.health import NS
from training.holdout import can_go
from training.labelling.aside import Aside
from training.labelling.book import Book, Change
from training.labelling.choosing import order, uncertainty
from training.labelling.frames import NONE, Take
from training.labelling.grouping import (
    Stretch,
    group,
    points_of_features,
    stretches,
)
from training.labelling.outlook import Opinion, look, opinions
from training.recordings.labels import Labels

QUEUE = 24
"""How many stretches the page is told to ask about next."""


@dataclass(frozen=True)
class Range:
    """Frames of one recording that follow one another.

    Attributes:
        recording: Its number.
        first: The first frame's number within the recording.
        last: The last frame's.

    """

    recording: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class View:
    """The frames as one model sees them, or the backbone alone.

    Attributes:
        number: Counts the views of a session.
        stretches: All frames, cut up.
        grouped_by: ``a``, the model's representation, or ``features``, the backbone's.
        bundle: The model, if there is one.
        doubts: [N] how little it knows of each frame.
        opinions: What it says of each stretch.

    """

    number: int
    stretches: Sequence[Stretch]
    grouped_by: str
    bundle: Bundle | None = None
    doubts: NDArray[np.float64] | None = None
    opinions: Sequence[Opinion] | None = None


class Desk:
    """Frames, labels and what a model says of them; any thread may ask and tell.

    Attributes:
        takes: The recordings with frames.
        book: Their labels.
        view: How they are shown now.

    """

    def __init__(
        self,
        takes: Sequence[Take],
        features: Mapping[str, NDArray[np.float32]],
        book: Book,
        device: torch.device,
        groups: int | None = None,
    ) -> None:
        """Group the frames by the backbone's features.

        Args:
            takes: The recordings with frames, at least one.
            features: [N, D] by modality, of all their frames.
            book: Their labels.
            device: Where models look at frames.
            groups: How many groups to make; None chooses.

        """
        self.takes, self.book = takes, book
        self._device, self._groups = device, groups
        self._lengths = [len(take) for take in takes]
        self._features = features
        self._points = points_of_features(features)
        self._classes = list(book.labels.classes)
        self._lock = threading.Lock()
        self.view = self._seen_by(None, 0)
        self._aside = Aside(sum(self._lengths))
        self._asked: tuple[tuple[object, ...], Sequence[int]] = (), ()

    def look_with(self, bundle: Bundle | None) -> None:
        """See the frames as a model does, or None."""
        self.view = self._seen_by(bundle, self.view.number + 1)

    def label(self, ranges: Sequence[Range], label: str | None) -> bool:
        """Label what of some frames has no label yet; where all have one, all get the new one.

        Args:
            ranges: The frames.
            label: The class; None takes labels away.

        Returns:
            Whether anything changed.

        Raises:
            LabelError: Frames that are not there, or see ``Book.step``.

        """
        for each in ranges:
            self._check(each)
        open_ranges = [] if label is None else self._unlabelled_parts(ranges)
        chosen = open_ranges or ranges
        changes = []
        for each in chosen:
            take = self.takes[each.recording]
            changes.append(Change(take.name, *take.span(each.first, each.last), label))
        frames = sum(each.last - each.first + 1 for each in chosen)
        what = 'no label' if label is None else label
        return self.book.step(changes, f'{what} on {frames} frame{"s" if frames > 1 else ""}')

    def leave(self, ranges: Sequence[Range]) -> bool:
        """Leave what of some frames has no label for later: when nothing else is to be asked about.

        Returns:
            Whether there was any.

        Raises:
            LabelError: Frames that are not there.

        """
        for each in ranges:
            self._check(each)
        chosen = self._numbers(self._unlabelled_parts(ranges))
        whole = [Range(i, 0, length - 1) for i, length in enumerate(self._lengths)]
        bare = self._numbers(self._unlabelled_parts(whole))
        if len(chosen):
            with self._lock:
                self._aside.put(chosen, bare, len(self.book.steps))
        return len(chosen) > 0

    def undo(self) -> None:
        """Take the last step back.

        Raises:
            LabelError: There is none, or see ``Book.undo``.

        """
        with self._lock:
            was_left = self._aside.undo(len(self.book.steps))
        if not was_left:
            self.book.undo()

    def classes_of(self, frames: Range) -> list[int]:
        """Number the classes of frames, as ``state`` does; `NONE` of one without a label.

        Raises:
            LabelError: Frames that are not there.

        """
        self._check(frames)
        labels = self.book.labels
        numbers = {name: i for i, name in enumerate(self._class_names(labels))}
        found = self.takes[frames.recording].classes(labels, numbers)
        return found[frames.first : frames.last + 1].tolist()  # type: ignore[no-any-return]

    def layout(self) -> dict[str, Any]:
        """What stays as it is until a model is trained: stretches and groups."""
        view = self.view
        said: Sequence[Opinion | None] = view.opinions or [None] * len(view.stretches)
        return {
            'view': view.number,
            'recordings': [take.name for take in self.takes],
            'grouped_by': view.grouped_by,
            'model': _about(view.bundle),
            'stretches': [
                {
                    'recording': s.recording,
                    'first': s.first,
                    'last': s.last,
                    'group': s.group,
                    'start': int(self.takes[s.recording].rows.times[s.first]) / NS,
                    'says': opinion and opinion.said,
                    'guess': opinion and opinion.guess,
                    'doubt': opinion and opinion.doubt,
                    'disagree': opinion is not None and opinion.disagree,
                }
                for s, opinion in zip(view.stretches, said, strict=True)
            ],
        }

    def state(self) -> dict[str, Any]:
        """What each step changes: labels, classes, and what to ask next."""
        view, labels, steps = self.view, self.book.labels, self.book.steps
        aside = self._aside.frames
        classes = self._class_names(labels)
        numbers = {name: i for i, name in enumerate(classes)}
        frames = [take.classes(labels, numbers) for take in self.takes]
        known = np.concatenate(frames)
        told = [_told(frames[s.recording][s.first : s.last + 1]) for s in view.stretches]
        counts = np.bincount(known[known != NONE], minlength=len(classes)).tolist()
        return {
            'view': view.number,
            'classes': [{'name': n, 'frames': c} for n, c in zip(classes, counts, strict=True)],
            'labels': told,
            'frames': len(known),
            'labelled': int((known != NONE).sum()),
            'left': _left(view.stretches, aside & (known == NONE)),
            'queue': self._queue(view, known != NONE, aside, labels),
            'steps': len(steps) + len(self._aside),
            'last_step': self._aside.last(len(steps)) or (steps[-1].said if steps else None),
            'advice': _advice(frames, classes),
        }

    def _queue(
        self, view: View, known: NDArray[np.bool_], aside: NDArray[np.bool_], labels: Labels
    ) -> Sequence[int]:
        """Order what to ask next, once until more is labelled: the page asks again and again."""
        then, queue = self._asked
        now = view, labels, aside
        if len(then) != len(now) or any(a is not b for a, b in zip(then, now, strict=True)):
            # What was left for later is as if it had been told: ask about what is unlike it, too.
            for told in (known | aside, known):
                queue = order(view.stretches, self._points, told, view.doubts, QUEUE)
                if queue:
                    break
            self._asked = now, queue
        return queue

    def _seen_by(self, bundle: Bundle | None, number: int) -> View:
        outlook = None if bundle is None else look(bundle.head, self._features, self._device)
        a = None if outlook is None else outlook.a
        by = self._points if a is None else a
        found = stretches(group(by, self._lengths, self._groups), self._lengths)
        grouped_by = 'features' if a is None else 'a'
        if bundle is None or outlook is None:
            return View(number, found, grouped_by)
        doubts = uncertainty(outlook.probabilities)
        said = opinions(outlook, found, bundle.manifest.classes)
        return View(number, found, grouped_by, bundle, doubts, said)

    def _unlabelled_parts(self, ranges: Sequence[Range]) -> list[Range]:
        labels = self.book.labels
        numbers = {name: i for i, name in enumerate(labels.classes)}
        parts = []
        for each in ranges:
            classes = self.takes[each.recording].classes(labels, numbers)
            bare = np.flatnonzero(classes[each.first : each.last + 1] == NONE) + each.first
            runs = np.split(bare, np.flatnonzero(np.diff(bare) > 1) + 1)
            parts += [Range(each.recording, int(r[0]), int(r[-1])) for r in runs if len(r)]
        return parts

    def _numbers(self, ranges: Sequence[Range]) -> NDArray[np.int64]:
        starts = np.cumsum([0, *self._lengths])
        numbers = [starts[r.recording] + np.arange(r.first, r.last + 1) for r in ranges]
        return np.concatenate([np.empty(0, np.int64), *numbers])

    def _check(self, frames: Range) -> None:
        there = 0 <= frames.recording < len(self.takes)
        if not there or not 0 <= frames.first <= frames.last < len(self.takes[frames.recording]):
            raise LabelError(f'{frames}: there are no such frames; load the page again')

    def _class_names(self, labels: Labels) -> list[str]:
        """Keep each class's place, which is its key: a new one goes to the end."""
        names = labels.classes
        with self._lock:
            self._classes += [name for name in names if name not in self._classes]
            while self._classes and self._classes[-1] not in names:
                self._classes.pop()
            return list(self._classes)


def _told(classes: NDArray[np.int64]) -> tuple[int, int, bool]:
    """Tell a stretch's most frequent class, how many frames have any, and whether they differ."""
    known = classes[classes != NONE]
    if not len(known):
        return NONE, 0, False
    counts = np.bincount(known)
    return int(counts.argmax()), len(known), bool((counts > 0).sum() > 1)


def _left(found: Sequence[Stretch], aside: NDArray[np.bool_]) -> list[int]:
    """Number the stretches with frames that were left for later."""
    first = np.cumsum([0, *(len(s) for s in found[:-1])])
    return np.flatnonzero(np.logical_or.reduceat(aside, first)).tolist()  # type: ignore[no-any-return]


def _advice(frames: Sequence[NDArray[np.int64]], classes: Sequence[str]) -> str | None:
    """Say what labels are lacking before ``train fit`` can hold a recording out."""
    seen = [set(known[known != NONE].tolist()) for known in frames]
    there = {number for numbers in seen for number in numbers}
    if len(there) < 2:  # noqa: PLR2004 - one class needs no classifier
        return 'Training needs two classes at least.'
    showing = {number: {i for i, some in enumerate(seen) if number in some} for number in there}
    labelled = [i for i, numbers in enumerate(seen) if numbers]
    if not any(can_go(i, (), showing.values()) for i in labelled):
        alone = sorted(classes[number] for number, those in showing.items() if len(those) == 1)
        return (
            'Training needs a recording to test on that is not the only one of a class: '
            f'{" or ".join(alone[:3])} again.'
        )
    return None


def _about(bundle: Bundle | None) -> Mapping[str, Any] | None:
    if bundle is None:
        return None
    modes = ('rgbd', 'rgb', 'depth')
    accuracy = bundle.manifest.accuracy
    return {
        'path': str(bundle.path),
        'classes': bundle.manifest.classes,
        'accuracy': {mode: accuracy[mode] for mode in modes if mode in accuracy},
    }
