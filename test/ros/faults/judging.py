# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Whether every label that was published told the truth.

The demo's judge does it, with what the eyes told of their images: only those that a label may be
made of count as sent, each with the time at which what it shows was new. What the machine kept the
node waiting in just that time is allowed for, and nothing else.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from machine import Machine
from orders import Shot

from mm_perception.observation import Modality
from training.live.events import Event, Label, Lost, Mode, Published
from training.live.judge import ALLOWANCE_MS, PERIODS, Gap, Judged, Played, judge, judge_label

_MS = 1e6
_GRACE_MS = 20.0  # the node's default
_ON_THE_WAY = 50_000_000  # ns in which an image has arrived, unless nothing is well
_TOLD = 100_000_000  # ns by which a change of the mode may be told before or after its labels
_AWAY = 4  # periods without a good image: the sensor is lost, whatever the jitter
_ALIVE = 2.5  # periods between two good images, at most, of a sensor that is not
_FEW = 3  # fail-overs
_FOUND = 250_000_000  # ns that readers may take to find a camera that starts anew, and lose images
_PAUSE = 3  # periods that may pass between two labels while a sensor is alive, and the allowance


@dataclass(frozen=True)
class Loss:
    """A sensor was lost, and the node did without it.

    Attributes:
        gap: What the demo's judge says of it.
        allowed_ms: What is promised.
        jitter_ms: How long the machine kept the node waiting meanwhile.

    """

    gap: Gap
    allowed_ms: float
    jitter_ms: float

    @property
    def late(self) -> str | None:
        """Say how late the node was; None when it was not."""
        taken = self.gap.fail_over_ms
        if taken is None or taken <= self.allowed_ms + self.jitter_ms:
            return None
        return (
            f'{self.gap.modality} was done without after {taken:.0f} ms, {self.allowed_ms:.0f} '
            f'are allowed and {self.jitter_ms:.0f} were the machine'
        )


@dataclass(frozen=True)
class Finding:
    """What the labels of some seconds were worth.

    Attributes:
        labels: All of them.
        broken: A line for each label that broke the promise.
        losses: In order.
        pauses: A line for each time that labels stayed out though a sensor was alive.

    """

    labels: Sequence[Label]
    broken: Sequence[str]
    losses: Sequence[Loss]
    pauses: Sequence[str]

    @property
    def late(self) -> list[str]:
        """A line for each fail-over that was too late, and one if all would be but for the machine.

        What the machine adds is measured in all threads of the node, of which not each has to be
        waited for; so it may excuse some fail-overs of a few, not every one.
        """
        lines = [loss.late for loss in self.losses if loss.late]
        over = [
            loss.gap.fail_over_ms - loss.allowed_ms
            for loss in self.losses
            if loss.gap.fail_over_ms is not None
        ]
        if len(over) >= _FEW and min(over) > 0:
            lines.append(f'every fail-over was late: {", ".join(f"{ms:+.0f} ms" for ms in over)}')
        return lines


class Judge:
    """Knows what the eyes sent, and looks at the labels."""

    def __init__(self, shots: Iterable[Shot], modes: Iterable[Mode], machine: Machine) -> None:
        """Begin.

        Args:
            shots: What the eyes sent, each one's in its order; from some seconds before the labels.
            modes: What the node told of its mode, from its beginning.
            machine: How long the node was kept waiting.

        """
        self.machine = machine
        self.modes = sorted(modes, key=lambda mode: mode.wall)
        self.good: dict[Modality, list[Shot]] = defaultdict(list)
        for shot in shots:
            before = self.good[shot.modality][-1:]
            # What is sent twice was new the first time.
            if shot.good and not (shot.stamp and before and before[0].stamp == shot.stamp):
                self.good[shot.modality].append(shot)
        # What was old when it was sent is no partner that a label has to be made of.
        self._in_time = Played(
            Published(wall=shot.wall, modality=shot.modality, stamp=shot.stamp, bag_time=0)
            for good in self.good.values()
            for shot in _found(good)
            if shot.wall - shot.fresh <= _ON_THE_WAY
        )
        self.rates = {(s.modality, s.fresh): s.rate for good in self.good.values() for s in good}

    def find(self, labels: Iterable[Label], start: int, end: int) -> Finding:
        """Judge the labels published from a time to another, in ns; the others tell of before."""
        # By the time of publication: that the ear was kept waiting is not the node's.
        labels = [label.model_copy(update={'wall': label.sent}) for label in labels]
        played = list(self._as_played(end))
        taken = [label for label in labels if start <= label.wall <= end]
        faults = [(label, self._fault(label, Played(played))) for label in taken]
        gaps = judge([*played, *labels], _nobody_knows).gaps
        return Finding(
            labels=taken,
            broken=[f'{a.mode} of {a.stamps} at {a.sent}: {why}' for a, why in faults if why],
            losses=[
                self._loss(gap, Played(played))
                for gap in gaps
                if gap.last is not None and (gap.first is None or gap.first >= start)
            ],
            pauses=list(self._pauses(taken)),
        )

    def _as_played(self, end: int) -> Iterator[Event]:
        """Give good images as published when they were new, and the losses between them."""
        for modality, good in self.good.items():
            for before, shot in zip([None, *good], good, strict=False):
                if before is not None and _is_away(before, shot.fresh):
                    yield Lost(wall=before.fresh, modality=modality)
                yield Published(wall=shot.fresh, modality=modality, stamp=shot.stamp, bag_time=0)
            if good and _is_away(good[-1], end):
                yield Lost(wall=good[-1].fresh, modality=modality)

    def _fault(self, label: Label, played: Played) -> str | None:
        """Say how a label broke the promise; None when it did not."""
        judged = judge_label(label, played, _nobody_knows)
        if judged is None:
            return 'made of an image that was bad, or was never sent'
        return self._stale(judged) or self._wrong(label) or self._untold(label)

    def _stale(self, judged: Judged) -> str | None:
        label = judged.label
        for modality, age in judged.age_ms.items():
            new = min(
                (shot.fresh for shot in self.good[modality]),
                key=lambda wall: abs(label.sent - round(age * _MS) - wall),
            )
            # What it waited during the inference is in that already.
            jitter = max(
                self.machine.kept_waiting_ms(new, new + _ON_THE_WAY),
                self.machine.kept_waiting_ms(new, label.sent) - label.inference_ms,
            )
            allowed = self._timeout_ms(modality, new) + ALLOWANCE_MS + label.inference_ms
            if age > allowed + jitter:
                return f'{modality} was {age:.0f} ms old, {allowed:.0f} + {jitter:.0f} are allowed'
        return None

    def _wrong(self, label: Label) -> str | None:
        jitter = self.machine.kept_waiting_ms(label.wall - 2 * _TOLD, label.wall)
        # What comes while a label is being made is for the next one.
        longer = label.model_copy(update={'inference_ms': label.inference_ms + jitter})
        judged = judge_label(longer, self._in_time, _nobody_knows)
        return "the other eye's image was there" if judged and judged.wrong_mode else None

    def _untold(self, label: Label) -> str | None:
        """Say that a label was made of more than the mode told at that time.

        It may be of less: an eye can be lost, or show nothing, while the label is made.
        """
        jitter = round(_MS * self.machine.kept_waiting_ms(label.sent - _TOLD, label.sent + _TOLD))
        began = label.sent - round(label.inference_ms * _MS)
        told = self.modes_told(began - _TOLD - jitter, label.sent + _TOLD + jitter)
        # Of two changes in one moment the ear may hear the last alone, as the topic keeps one.
        if {label.mode, 'rgbd'} & told or len(told) > 1:
            return None
        return f'the mode told was {told.pop()}'

    def modes_told(self, start: int, end: int) -> set[str]:
        """The modes that were told to hold at some moment from a time to another."""
        before = [mode.mode for mode in self.modes if mode.wall <= start]
        return {*before[-1:], *(mode.mode for mode in self.modes if start < mode.wall <= end)}

    def _loss(self, gap: Gap, played: Played) -> Loss:
        last = gap.last or 0
        # Two periods of the eye as it was then, not as it was on the whole.
        timeout = self._timeout_ms(gap.modality, last)
        allowed = gap.allowed_ms - PERIODS * played.period_ms(gap.modality) + timeout
        end = last + round((gap.fail_over_ms or 0.0) * _MS)
        if not any(self._is_alive(m, last, end) for m in self.good if m is not gap.modality):
            gap = replace(gap, fail_over_ms=None)  # there was nothing to go on with
        # While the node only waits for the lost eye it needs no processor.
        idle = last + round((timeout + _GRACE_MS) * _MS)
        arriving = self.machine.kept_waiting_ms(last, last + _ON_THE_WAY)
        return Loss(gap, allowed, arriving + self.machine.kept_waiting_ms(idle, end))

    def _pauses(self, labels: Sequence[Label]) -> Iterator[str]:
        for one, other in itertools.pairwise(labels):
            pause = (other.sent - one.sent) / _MS
            jitter = self.machine.kept_waiting_ms(one.sent, other.sent)
            for modality, good in self.good.items():
                period = 1e3 / min(shot.rate for shot in good)
                allowed = _PAUSE * period + ALLOWANCE_MS + other.inference_ms
                if pause > allowed + jitter and self._is_alive(modality, one.sent, other.sent):
                    limit = f'{allowed:.0f} + {jitter:.0f} are allowed'
                    yield f'no label for {pause:.0f} ms though {modality} was alive, {limit}'
                    break

    def _is_alive(self, modality: Modality, start: int, end: int) -> bool:
        """Whether a sensor's good images came one soon after the other in all that time."""
        good = self.good[modality]
        walls = [s.wall for s in good if start - _ALIVE * 1e9 / s.rate <= s.wall < end]
        steps = itertools.pairwise([*walls, end])
        longest = _ALIVE * 1e9 / min((shot.rate for shot in good), default=1.0)
        return bool(walls) and walls[0] <= start and all(b - a <= longest for a, b in steps)

    def _timeout_ms(self, modality: Modality, fresh: int) -> float:
        return PERIODS * 1e3 / self.rates[modality, fresh]


def _found(good: Sequence[Shot]) -> Iterator[Shot]:
    """Leave out what a camera sent before its readers had the time to find it."""
    began = 0
    for before, shot in zip([None, *good], good, strict=False):
        if before is None or _is_away(before, shot.wall):
            began = shot.wall
        if shot.wall - began >= _FOUND:
            yield shot


def _is_away(last: Shot, now: int) -> bool:
    return now - last.fresh > _AWAY * 1e9 / last.rate


def _nobody_knows(_: int) -> None:
    return None
