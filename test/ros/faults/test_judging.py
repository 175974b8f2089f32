# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The judge sees each way in which a label can be wrong, and nothing where none is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from judging import Finding, Judge, Loss
from machine import Machine
from orders import Shot

from mm_perception.observation import Modality
from training.live.events import Label, Mode
from training.live.judge import Gap

if TYPE_CHECKING:
    from collections.abc import Sequence

RGB, DEPTH = Modality.RGB, Modality.DEPTH
MS = 1_000_000
START = 10**18
PERIOD = 10**9 // 15
COUNT = 60
BOTH = [Mode(wall=START - 1, mode='rgbd')]


def at(index: int) -> int:
    return START + index * PERIOD


def shots(modality: Modality, *indices: int, **changes: Any) -> list[Shot]:
    sent = (
        Shot(modality=modality, stamp=at(i), wall=at(i), fresh=at(i), good=True) for i in indices
    )
    return [shot.model_copy(update=changes) for shot in sent]


def label(*modalities: Modality, of: int, after: float = 10.0, mode: str | None = None) -> Label:
    """Make the label of an image, so many ms after it."""
    sent = at(of) + round(after * MS)
    return Label(
        wall=sent + MS,
        sent=sent,
        label='mug',
        mode=mode or ('rgbd' if len(modalities) > 1 else str(modalities[0])),
        confidence=1.0,
        stamps={modality: at(of) for modality in modalities},
        latency_ms=after,
        inference_ms=5.0,
    )


def judged(
    sent: Sequence[Shot],
    labels: Sequence[Label],
    modes: Sequence[Mode] = BOTH,
    machine: Machine | None = None,
) -> Finding:
    return Judge(sent, modes, machine or Machine()).find(labels, START, at(COUNT))


def from_both(*indices: int) -> list[Label]:
    return [label(RGB, DEPTH, of=i) for i in indices]


ALL = range(COUNT)
WELL = shots(RGB, *ALL) + shots(DEPTH, *ALL)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    finding = judged(WELL, from_both(*ALL))
    assert len(finding.labels) == COUNT
    assert (finding.broken, finding.losses, finding.pauses) == ([], [], [])


def test_label_of_a_bad_image_is_broken() -> None:
    sent = shots(RGB, *ALL) + shots(DEPTH, *range(30)) + shots(DEPTH, 30, good=False)
    (why,) = judged(sent, [*from_both(*range(30)), label(RGB, DEPTH, of=30)]).broken
    assert 'bad' in why


@pytest.mark.parametrize(('after', 'broken'), [(180.0, 0), (200.0, 1)])
def test_label_of_a_stale_image_is_broken(after: float, broken: int) -> None:
    finding = judged(WELL, [label(RGB, DEPTH, of=30, after=after)])  # 133 + 50 + 5 are allowed
    assert len(finding.broken) == broken


def test_label_of_an_image_that_was_held_back_is_broken() -> None:
    held = shots(DEPTH, 30, wall=at(45))
    (why,) = judged([*WELL[:COUNT], *held], [label(DEPTH, of=30, after=1010)]).broken
    assert 'depth was 1010 ms old' in why


def test_repetition_of_a_frozen_picture_counts_from_its_first_showing() -> None:
    frozen = shots(DEPTH, *range(30)) + shots(DEPTH, *range(30, 40), fresh=at(29))
    finding = judged([*WELL[:COUNT], *frozen], [label(RGB, DEPTH, of=i) for i in (30, 31, 33)])
    assert len(finding.broken) == 1
    assert 'depth was 277 ms old' in finding.broken[0]


def test_label_from_one_eye_while_the_other_was_there_is_broken() -> None:
    alone = label(RGB, of=30, after=100)
    (why,) = judged(WELL, [alone], [Mode(wall=START, mode='rgb')]).broken
    assert "the other eye's image was there" in why


@pytest.mark.parametrize(('since', 'broken'), [(2, 0), (4, 1)])
def test_images_of_a_camera_that_nobody_has_found_yet_were_not_there(
    since: int, broken: int
) -> None:
    sent = shots(DEPTH, *ALL) + shots(RGB, *range(10), *range(30 - since, COUNT))
    alone = label(DEPTH, of=30, after=100)
    assert len(judged(sent, [alone], [Mode(wall=START, mode='depth')]).broken) == broken


def test_stamp_that_was_sent_twice_is_the_later_image() -> None:
    machine = Machine()
    # Both eyes sent stamps of that time before, and now one comes 5 ms before the other.
    sent = [*shots(RGB, *range(49)), *shots(DEPTH, *range(49))]
    again = shots(RGB, 30, wall=at(50), fresh=at(50))
    alone = label(RGB, of=30, after=10 + 20 * PERIOD / MS).model_copy(update={'mode': 'rgb'})
    machine.add(f'[{at(50)}, 0.0, 30.0]')
    machine.add(f'[{alone.sent}, 0.0, 30.0]')
    assert not judged([*sent, *again], [alone], [Mode(wall=START, mode='rgb')], machine).broken


def test_label_in_another_mode_than_the_node_tells_is_broken() -> None:
    modes = [*BOTH, Mode(wall=at(20), mode='rgb')]
    finding = judged(WELL, from_both(*ALL), modes)
    assert len(finding.broken) == COUNT - 22  # what is under way at a change is forgiven
    assert 'the mode told was rgb' in finding.broken[0]


@pytest.mark.parametrize(('takes', 'late'), [(175.0, False), (200.0, True)])
def test_fail_over_that_takes_too_long_is_late(takes: float, late: bool) -> None:
    sent = shots(RGB, *ALL) + shots(DEPTH, *range(30), *range(45, COUNT))
    alone = label(RGB, of=31, after=takes - PERIOD * 2 / MS)
    modes = [*BOTH, Mode(wall=alone.sent, mode='rgb'), Mode(wall=at(45), mode='rgbd')]
    finding = judged(sent, [*from_both(*range(30)), alone, *from_both(*range(45, 60))], modes)
    (loss,) = finding.losses
    assert loss.gap.fail_over_ms == pytest.approx(takes, abs=0.01)
    assert loss.gap.recovery_ms == pytest.approx(10, abs=0.01)
    assert (loss.late is not None) is late
    assert finding.pauses  # while only one label came from the eye that went on


def test_machine_does_not_excuse_every_fail_over() -> None:
    gap = Gap(DEPTH, START, START + PERIOD * 10, 190.0, 180.0, 700.0, 20.0)
    late, well = Loss(gap, 180.0, 50.0), Loss(gap, 200.0, 50.0)
    assert not Finding([], [], [late, late, well], []).late
    (why,) = Finding([], [], [late, late, late], []).late
    assert why == 'every fail-over was late: +10 ms, +10 ms, +10 ms'


def test_pause_is_seen_only_while_an_eye_is_alive() -> None:
    labels = from_both(*range(20), *range(40, 60))
    (why,) = judged(WELL, labels).pauses
    assert 'no label for 1400 ms' in why
    both_lost = shots(RGB, *range(20), *range(40, 60)) + shots(DEPTH, *range(20), *range(40, 60))
    assert not judged(both_lost, labels).pauses


def test_machine_is_allowed_what_it_kept_the_node_waiting_and_no_more() -> None:
    machine = Machine()
    for tick in range(COUNT * 3):
        busy = 30.0 if at(30) < START + tick * 20 * MS <= at(30) + 20 * MS else 0.0
        machine.add(f'[{START + tick * 20 * MS}, 0.0, {busy}]')
    late = [label(RGB, DEPTH, of=30, after=210.0)]
    assert not judged(WELL, late, machine=machine).broken
    later = [label(RGB, DEPTH, of=30, after=225.0)]
    assert judged(WELL, later, machine=machine).broken
    elsewhere = [label(RGB, DEPTH, of=40, after=210.0)]
    assert judged(WELL, elsewhere, machine=machine).broken
