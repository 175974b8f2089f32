# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the node's labels were worth: right or wrong, how soon, and from which images.

Works on what the player and the listener wrote down. Every image published counts as good: a
recording whose own pictures fail (frozen, blind) is better judged by what the player loses.
"""

from __future__ import annotations

import itertools
import statistics
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mm_perception.observation import Modality, mode_of
from training.live.events import Event, Label, Lost, Published, Said

Truth = Callable[[int], str | None]
"""The object's class at a time in ns from the recording's start; None where nobody knows."""

PERIODS = 2
"""A frame may be used for so many of its sensor's periods,"""
ALLOWANCE_MS = 50.0
"""and so many milliseconds, and one inference."""

_MS = 1e6  # nanoseconds in a millisecond
_SLOP = 50 * _MS  # the node's default: stamps of a pair are no further apart
_LEARNED = 3  # frames from which a period can be told


@dataclass(frozen=True)
class Judged:
    """One label with what is known of it.

    Attributes:
        label: What the node said.
        truth: What it should have said; None where nobody knows.
        latency_ms: From the publication of the newest image used to the label's receipt.
        age_ms: Age of each image used, from its publication to the label's.
        stale: Whether one of these is greater than allowed.
        wrong_mode: Whether it was made from one sensor though the other's image had been there, or
            is said to be of other images than it was made from.

    """

    label: Label
    truth: str | None
    latency_ms: float
    age_ms: Mapping[Modality, float]
    stale: bool
    wrong_mode: bool

    @property
    def right(self) -> bool | None:
        """Whether it is the truth; None where nobody knows."""
        return None if self.truth is None else self.label.label == self.truth


@dataclass(frozen=True)
class Gap:
    """A sensor's silence, and what the node made of it.

    Attributes:
        modality: The silent sensor.
        last: When its last image before was published, ns; None if it had sent none.
        first: When its first image after was published, ns; None if none came.
        fail_over_ms: From the last image to the first label from the surviving sensor alone;
            None if none came before the sensor was back.
        allowed_ms: How long that may take: two periods, 50 ms and that label's inference.
        lasted_ms: From the last image before to the first after, or to the session's last image.
        recovery_ms: From the publication of the first pair after to the first label from both;
            None if none came.

    """

    modality: Modality
    last: int | None
    first: int | None
    fail_over_ms: float | None
    allowed_ms: float
    lasted_ms: float
    recovery_ms: float | None

    @property
    def in_time(self) -> bool:
        """Whether the node went on in the time allowed, if the sensor was away for longer."""
        if self.fail_over_ms is None:
            return self.lasted_ms <= self.allowed_ms
        return self.fail_over_ms <= self.allowed_ms


@dataclass(frozen=True)
class Verdict:
    """All that came of it.

    Attributes:
        labels: Every label that used the player's images.
        untraced: How many labels used an image that the player never published.
        said: How many labels came on the topic that robots listen to.
        gaps: The sensors' silences, in order.
        late_ms: How late the player was at worst: the machine was too busy if this is large.

    """

    labels: Sequence[Judged]
    untraced: int
    said: int
    gaps: Sequence[Gap]
    late_ms: float

    @property
    def score(self) -> dict[str, tuple[int, int]]:
        """How many labels were right, and of how many, by mode; in the order rgbd, rgb, depth."""
        known = [(j.label.mode, bool(j.right)) for j in self.labels if j.truth is not None]
        total, right = Counter(m for m, _ in known), Counter(m for m, good in known if good)
        return {mode: (right[mode], total[mode]) for mode in sorted(total, key=_rank)}

    @property
    def modes(self) -> list[str]:
        """The modes that labels came in, in the order rgbd, rgb, depth."""
        return sorted({judged.label.mode for judged in self.labels}, key=_rank)

    @property
    def heard(self) -> int:
        """How many labels came with their circumstances."""
        return len(self.labels) + self.untraced

    @property
    def stale(self) -> int:
        """How many labels used an image older than allowed; there must be none."""
        return sum(judged.stale for judged in self.labels)

    @property
    def wrong_mode(self) -> int:
        """How many labels left a sensor out that was there, or named a wrong mode."""
        return sum(judged.wrong_mode for judged in self.labels)

    @property
    def rate(self) -> float:
        """Labels a second, from the first to the last; 0 with fewer than two."""
        if len(self.labels) < 2:  # noqa: PLR2004 - a rate needs two
            return 0.0
        span = self.labels[-1].label.wall - self.labels[0].label.wall
        return (len(self.labels) - 1) * 1e9 / max(span, 1)

    def latency_ms(self, percent: float, mode: str | None = None) -> float | None:
        """Percentile of the labels' latency, of all modes or one; None without a label."""
        taken = [j.latency_ms for j in self.labels if mode in (None, j.label.mode)]
        return float(np.percentile(taken, percent)) if taken else None

    def inference_ms(self, mode: str) -> float | None:
        """The median inference of a mode, as the node tells it; None without a label."""
        taken = [j.label.inference_ms for j in self.labels if j.label.mode == mode]
        return statistics.median(taken) if taken else None


def judge(events: Iterable[Event], truth: Truth) -> Verdict:
    """Judge a session.

    Args:
        events: What the player and the listener wrote down; each one's in its own order.
        truth: What the recording shows.

    """
    events = list(events)
    played = Played(events)
    labels = sorted((e for e in events if isinstance(e, Label)), key=lambda label: label.wall)
    judged = [j for label in labels if (j := judge_label(label, played, truth)) is not None]
    return Verdict(
        labels=judged,
        untraced=len(labels) - len(judged),
        said=sum(isinstance(event, Said) for event in events),
        gaps=[_gap(*silence, played, labels) for silence in played.silences],
        late_ms=max((e.late_ms for e in events if isinstance(e, Published)), default=0.0),
    )


class Played:
    """What the player published, to be asked about."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.frames: dict[Modality, list[Published]] = defaultdict(list)
        self.silences: list[tuple[Modality, Published | None, Published | None]] = []
        self._walls: dict[Modality, list[int]] = defaultdict(list)
        self._open: dict[Modality, int] = {}  # index in silences
        self._steps: dict[Modality, list[int]] = defaultdict(list)
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take the next event; those that are not the player's say nothing here."""
        if isinstance(event, Lost) and event.modality not in self._open:
            self._open[event.modality] = len(self.silences)
            self.silences.append((event.modality, self._newest(event.modality), None))
        elif isinstance(event, Published):
            self._add_frame(event)

    def _add_frame(self, frame: Published) -> None:
        modality, before = frame.modality, self._newest(frame.modality)
        if modality in self._open:
            index = self._open.pop(modality)
            self.silences[index] = (*self.silences[index][:2], frame)
        elif before is not None:
            self._steps[modality].append(moment(frame) - moment(before))
        self.frames[modality].append(frame)
        self._walls[modality].append(frame.wall)

    def _newest(self, modality: Modality) -> Published | None:
        frames = self.frames[modality]
        return frames[-1] if frames else None

    @property
    def newest(self) -> int:
        """When the newest image of any sensor was published, ns; 0 when none was."""
        return max((walls[-1] for walls in self._walls.values() if walls), default=0)

    def find(self, modality: Modality, stamp: int, received: int) -> Published | None:
        """The frame with this stamp, published before a time.

        The newest of them: a loop with kept stamps has each stamp many times. Where the driver
        sets no stamps the node's is the time of arrival, and the frame the newest before it.
        """
        frames = self.frames[modality]
        count = bisect_right(self._walls[modality], received)
        for frame in reversed(frames[:count]):
            if frame.stamp == stamp or (not frame.stamp and frame.wall <= stamp):
                return frame
        return None

    def between(self, modality: Modality, start: float, end: float) -> list[Published]:
        """The frames published from a time to another, both in ns."""
        walls = self._walls[modality]
        return self.frames[modality][bisect_right(walls, start - 1) : bisect_right(walls, end)]

    def period_ms(self, modality: Modality) -> float:
        """The sensor's frame period: the median distance of its stamps, gaps aside; 0 unknown."""
        steps = self._steps[modality]
        return statistics.median(steps) / _MS if len(steps) + 1 >= _LEARNED else 0.0

    def allowed_ms(self, modality: Modality, inference_ms: float) -> float:
        """How old a sensor's frame may be when a label from it is published."""
        return PERIODS * self.period_ms(modality) + ALLOWANCE_MS + inference_ms

    def partners(self, frame: Published, start: float, end: float) -> list[list[Published]]:
        """The frames of each other sensor that belong to this one, published within a time."""
        return [
            [other for other in self.between(m, start, end) if _belong(frame, other)]
            for m in self.frames
            if m is not frame.modality
        ]


def judge_label(label: Label, played: Played, truth: Truth) -> Judged | None:
    """Judge one label; None when it used an image that the player never published."""
    used = {m: played.find(m, stamp, label.wall) for m, stamp in label.stamps.items()}
    frames = {m: frame for m, frame in used.items() if frame is not None}
    if len(frames) < len(used) or not frames:
        return None
    newest = max(frames.values(), key=lambda frame: frame.wall)
    ages = {m: (label.sent - frame.wall) / _MS for m, frame in frames.items()}
    return Judged(
        label=label,
        truth=truth(newest.bag_time),
        latency_ms=(label.wall - newest.wall) / _MS,
        age_ms=ages,
        stale=any(age > played.allowed_ms(m, label.inference_ms) for m, age in ages.items()),
        wrong_mode=label.mode != mode_of(frames)
        or (len(frames) == 1 and _had_partner(newest, label, played)),
    )


def moment(frame: Published) -> int:
    """When a frame was taken, as well as can be told."""
    return frame.stamp or frame.wall


def _had_partner(frame: Published, label: Label, played: Played) -> bool:
    """Whether the other sensor's image of the same moment came well before inference began."""
    began = label.wall - (label.inference_ms + ALLOWANCE_MS) * _MS
    partners = played.partners(frame, frame.wall - 2 * _SLOP, began)
    return bool(partners) and all(partners)


def _belong(one: Published, other: Published) -> bool:
    return abs(moment(one) - moment(other)) <= _SLOP


def _gap(
    modality: Modality,
    last: Published | None,
    first: Published | None,
    played: Played,
    labels: Sequence[Label],
) -> Gap:
    start, end = (None if frame is None else frame.wall for frame in (last, first))
    single = None if last is None else _first_single(last, first, played, labels)
    allowed = played.allowed_ms(modality, 0.0 if single is None else single.inference_ms)
    taken = None if single is None or last is None else (single.wall - last.wall) / _MS
    lasted = 0.0 if start is None else ((end or played.newest) - start) / _MS
    recovery = None if first is None else _recovery_ms(first, played, labels)
    return Gap(modality, start, end, taken, allowed, lasted, recovery)


def _first_single(
    last: Published, first: Published | None, played: Played, labels: Sequence[Label]
) -> Label | None:
    """The first label from later images of the surviving sensors alone, until the lost is back."""
    surviving = mode_of(m for m in played.frames if m is not last.modality)
    for label in labels:
        if first is not None and label.wall > first.wall:
            return None
        if label.mode == surviving and _all_after(last.wall, label, played):
            return label
    return None


def _recovery_ms(first: Published, played: Played, labels: Sequence[Label]) -> float | None:
    pair = next(_pairs_from(first, played), None)
    both = mode_of(played.frames)
    if pair is None:
        return None
    for label in labels:
        if label.mode == both and label.wall >= pair:
            used = played.find(first.modality, label.stamps.get(first.modality, 0), label.wall)
            if used is not None and used.wall >= first.wall:
                return (label.wall - pair) / _MS
    return None


def _all_after(wall: int, label: Label, played: Played) -> bool:
    """Whether all images that a label was made from were published after a time."""
    used = [played.find(m, stamp, label.wall) for m, stamp in label.stamps.items()]
    return all(frame is not None and frame.wall > wall for frame in used)


def _pairs_from(first: Published, played: Played) -> Iterator[int]:
    """When each pair from this frame on was complete."""
    frames = played.frames[first.modality]
    for frame in itertools.dropwhile(lambda one: one is not first, frames):
        near = played.partners(frame, frame.wall - 2 * _SLOP, frame.wall + 2 * _SLOP)
        if near and all(near):
            yield max(frame.wall, *(min(other.wall for other in others) for others in near))


def _rank(mode: str) -> int:
    modes = [mode_of(Modality), *map(str, Modality)]
    return modes.index(mode) if mode in modes else len(modes)
