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
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from training.live.events import Event, Label, Lost, Published
from training.live.judge import (
    ALLOWANCE_MS,
    PERIODS,
    Gap,
    Judged,
    Played,
    judge,
    judge_label,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from machine import Machine
    from orders import Shot

    from mm_perception.observation import Modality

_MS = 1e6
_GRACE_MS = 20.0  # the node's default
_ON_THE_WAY = 50_000_000  # ns in which an image has arrived, unless nothing is well
_AWAY = 4  # periods without a good image: the sensor is lost, whatever the jitter
_ALIVE = 2.5  # periods between two good images, at most, of a sensor that is not
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
    def in_time(self) -> bool:
        taken = self.gap.fail_over_ms
        return taken is None or taken <= self.allowed_ms + self.jitter_ms


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
        """A line for each fail-over that took longer than allowed."""
        return [
            f'{loss.gap.modality} was done without after {loss.gap.fail_over_ms:.0f} ms, '
            f'{loss.allowed_ms:.0f} are allowed and {loss.jitter_ms:.0f} were the machine'
            for loss in self.losses
            if not loss.in_time
        ]


def find(
    labels: Sequence[Label], shots: Sequence[Shot], machine: Machine, start: int, end: int
) -> Finding:
    """Judge the labels published from a time to another, in ns."""
    # By the time of publication: that the ear was kept waiting is not the node's.
    labels = [label.model_copy(update={'wall': label.sent}) for label in labels]
    events = list(_as_played(shots, end))
    played = Played(events)
    judged = [(label, judge_label(label, played, _nobody_knows)) for label in labels]
    taken = [label for label in labels if start <= label.wall <= end]
    rates = {(shot.modality, shot.fresh): shot.rate for shot in shots}
    broken = [
        f'{label.mode} of {label.stamps} at {label.sent}: {why}'
        for label, verdict in judged
        if start <= label.wall <= end
        and (why := _fault(label, verdict, played, rates, machine)) is not None
    ]
    gaps = judge([*events, *labels], _nobody_knows).gaps
    losses = [
        _loss(gap, shots, played, rates, machine)
        for gap in gaps
        if gap.last is not None and (gap.first is None or gap.first >= start)
    ]
    return Finding(taken, broken, losses, list(_pauses(taken, shots, machine)))


def _as_played(shots: Sequence[Shot], end: int) -> Iterator[Event]:
    """Give good images as published when they were new, and the losses between them."""
    newest: dict[Modality, Shot] = {}
    for shot in shots:
        before = newest.get(shot.modality)
        if not shot.good or (before is not None and 0 < shot.stamp == before.stamp):
            continue  # what is sent twice was new the first time
        if before is not None and _is_away(before, shot.fresh):
            yield Lost(wall=before.fresh, modality=shot.modality)
        newest[shot.modality] = shot
        yield Published(wall=shot.fresh, modality=shot.modality, stamp=shot.stamp, bag_time=0)
    for modality, shot in newest.items():
        if _is_away(shot, end):
            yield Lost(wall=shot.fresh, modality=modality)


def _is_away(last: Shot, now: int) -> bool:
    return now - last.fresh > _AWAY * 1e9 / last.rate


def _nobody_knows(_: int) -> None:
    return None


def _fault(
    label: Label,
    judged: Judged | None,
    played: Played,
    rates: dict[tuple[Modality, int], float],
    machine: Machine,
) -> str | None:
    """Say how a label broke the promise; None when it did not."""
    if judged is None:
        return 'made of an image that was bad, or was never sent'
    for modality, age in judged.age_ms.items():
        new = label.sent - round(age * _MS)
        jitter = machine.kept_waiting_ms(new, new + _ON_THE_WAY)
        rate = min(rates.values()) if (modality, new) not in rates else rates[modality, new]
        allowed = PERIODS * 1e3 / rate + ALLOWANCE_MS + label.inference_ms
        if age > allowed + jitter:
            return f'{modality} was {age:.0f} ms old, {allowed:.0f} + {jitter:.0f} are allowed'
    if judged.wrong_mode:
        jitter = machine.kept_waiting_ms(label.wall - 2 * 10**8, label.wall)
        earlier = label.model_copy(update={'wall': label.wall - round(jitter * _MS)})
        again = judge_label(earlier, played, _nobody_knows)
        if again is not None and again.wrong_mode:
            return "the other eye's image was there"
    return None


def _loss(
    gap: Gap,
    shots: Sequence[Shot],
    played: Played,
    rates: dict[tuple[Modality, int], float],
    machine: Machine,
) -> Loss:
    last = gap.last or 0
    allowed = gap.allowed_ms - PERIODS * played.period_ms(gap.modality)  # that of all its images
    allowed += PERIODS * 1e3 / rates[gap.modality, last]
    # While the node only waits for the lost eye it needs no processor; nor twice for an inference,
    # which is allowed for as long as it took.
    end = last + round((gap.fail_over_ms or 0.0) * _MS)
    other = [shot for shot in shots if shot.good and shot.modality is not gap.modality]
    if not _is_alive(other, last, end):
        gap = replace(gap, fail_over_ms=None)  # there was nothing to go on with
    idle = last + round((PERIODS * 1e3 / rates[gap.modality, last] + _GRACE_MS) * _MS)
    jitter = machine.kept_waiting_ms(last, last + _ON_THE_WAY) + machine.kept_waiting_ms(idle, end)
    return Loss(gap, allowed, jitter)


def _pauses(labels: Sequence[Label], shots: Sequence[Shot], machine: Machine) -> Iterator[str]:
    alive: dict[Modality, list[Shot]] = defaultdict(list)
    for shot in shots:
        if shot.good:
            alive[shot.modality].append(shot)
    for one, other in itertools.pairwise(labels):
        pause = (other.sent - one.sent) / _MS
        for modality, good in alive.items():
            period = 1e3 / min((shot.rate for shot in good), default=1.0)
            allowed = _PAUSE * period + ALLOWANCE_MS + other.inference_ms
            jitter = machine.kept_waiting_ms(one.sent, other.sent)
            if pause > allowed + jitter and _is_alive(good, one.sent, other.sent):
                limit = f'{allowed:.0f} + {jitter:.0f} are allowed'
                yield f'no label for {pause:.0f} ms though {modality} was alive, {limit}'
                break


def _is_alive(good: Sequence[Shot], start: int, end: int) -> bool:
    """Whether a sensor's good images came one soon after the other from a time to another."""
    near = [s for s in good if start - 1e9 <= s.wall <= end + 1e9]
    reach = [s for s in near if s.wall >= start - _ALIVE * 1e9 / s.rate]
    walls = [start, *(s.wall for s in reach if start < s.wall < end), end]
    return bool(reach) and all(
        (b - a) / 1e9 <= _ALIVE / reach[0].rate for a, b in itertools.pairwise(walls)
    )
