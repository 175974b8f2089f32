# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The judge on sessions worked out by hand: colour and depth at 10 Hz, depth 5 ms later."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.observation import Modality
from training.live.events import Ended, Event, Label, Lost, Mode, Published, Said
from training.live.judge import Played, Verdict, judge

RGB, DEPTH = Modality.RGB, Modality.DEPTH
MS = 1_000_000
BEGIN = 1_800_000_000_000 * MS
DEPTH_LATER = 5


def wall(ms: float) -> int:
    return BEGIN + round(ms * MS)


def stamp(ms: float) -> int:
    """Of the colour image that is published at this time, and of its depth image."""
    return wall(ms) - 20 * MS


def frame(modality: Modality, ms: float) -> Published:
    """An image of the pair whose colour image is published at this time."""
    later = DEPTH_LATER if modality is DEPTH else 0
    return Published(
        wall=wall(ms + later), modality=modality, stamp=stamp(ms), bag_time=round(ms * MS)
    )


def lost(modality: Modality, ms: float) -> Lost:
    return Lost(wall=wall(ms), modality=modality)


def label(
    received: float,
    *,
    rgb: float | None = None,
    depth: float | None = None,
    said: str = 'mug',
    inference: float = 60,
    mode: str | None = None,
    sent: float | None = None,
) -> Label:
    """A label from the images of the pairs at these times; received when sent unless told."""
    stamps = {m: stamp(ms) for m, ms in ((RGB, rgb), (DEPTH, depth)) if ms is not None}
    return Label(
        wall=wall(received),
        sent=wall(received if sent is None else sent),
        label=said,
        mode=mode or ('rgbd' if len(stamps) > 1 else str(next(iter(stamps)))),
        confidence=0.9,
        stamps=stamps,
        latency_ms=inference,
        inference_ms=inference,
    )


def playing(
    seconds: float, silent: dict[Modality, tuple[float, float]] | None = None
) -> list[Event]:
    """What the player tells; a silence is from one time in ms until before another."""
    events: list[Event] = []
    for ms in range(0, round(seconds * 1000), 100):
        for modality in Modality:
            start, end = (silent or {}).get(modality, (0, 0))
            if not start <= ms < end:
                events.append(frame(modality, ms))
            elif ms - start < 100:
                events.append(lost(modality, ms))
    return events


def always_a_mug(_: int) -> str:
    return 'mug'


def judged(played: list[Event], *labels: Event) -> Verdict:
    return judge([*played, *labels], always_a_mug)


def test_score_counts_right_labels_by_the_mode_that_they_were_made_in() -> None:
    verdict = judged(
        playing(1),
        label(70, rgb=0, depth=0),
        label(170, rgb=100, depth=100, said='cap'),
        label(270, rgb=200, depth=200),
        label(370, rgb=300, said='cap'),
        label(470, depth=400),
    )
    assert verdict.score == {'rgbd': (2, 3), 'rgb': (0, 1), 'depth': (1, 1)}
    assert list(verdict.score) == ['rgbd', 'rgb', 'depth']


def test_truth_is_that_of_the_newest_image_used_not_of_the_time_of_receipt() -> None:
    def truth(bag_time: int) -> str | None:
        return None if bag_time < 100 * MS else 'cap' if bag_time < 300 * MS else 'mug'

    verdict = judge(
        [
            *playing(1),
            label(90, rgb=0, depth=0),  # nobody knows
            label(320, rgb=200, depth=200, said='cap'),  # received when the mug was shown
            label(390, rgb=300, depth=200, said='mug'),  # a pair across the change
        ],
        truth,
    )
    assert [j.truth for j in verdict.labels] == [None, 'cap', 'mug']
    assert [j.right for j in verdict.labels] == [None, True, True]
    assert verdict.score == {'rgbd': (2, 2)}


def test_latency_is_from_the_newest_image_used_to_the_receipt() -> None:
    # 100 - 5, 240 - 105 and 460 - 300 ms.
    verdict = judged(
        playing(1),
        label(100, rgb=0, depth=0),
        label(240, rgb=100, depth=100),
        label(460, rgb=300),
    )
    assert [j.latency_ms for j in verdict.labels] == pytest.approx([95, 135, 160])
    assert verdict.latency_ms(50) == pytest.approx(135)
    assert verdict.latency_ms(100) == pytest.approx(160)
    assert verdict.latency_ms(100, 'rgbd') == pytest.approx(135)
    assert verdict.latency_ms(50, 'depth') is None
    assert verdict.rate == pytest.approx(2 / 0.36)  # three labels in 360 ms


def test_fail_over_is_from_the_last_image_to_the_first_label_without_it() -> None:
    # Depth sends its last image at 205 ms and is back at 605 ms.
    verdict = judged(
        playing(1, {DEPTH: (300, 600)}),
        label(280, rgb=200, depth=200, inference=60),
        label(340, rgb=200, depth=200, inference=60),
        label(480, rgb=400, inference=40),
        label(580, rgb=500, inference=40),
        label(670, rgb=600, depth=600),
    )
    (gap,) = verdict.gaps
    assert (gap.modality, gap.last, gap.first) == (DEPTH, wall(205), wall(605))
    assert gap.fail_over_ms == pytest.approx(480 - 205)
    assert gap.allowed_ms == pytest.approx(2 * 100 + 50 + 40)
    assert gap.lasted_ms == pytest.approx(400)
    assert gap.in_time


def test_fail_over_later_than_two_periods_50_ms_and_an_inference_is_not_in_time() -> None:
    # The last depth image came at 205 ms; 290 ms later is 495 ms.
    for received, in_time in ((495, True), (496, False)):
        verdict = judged(playing(1, {DEPTH: (300, 600)}), label(received, rgb=400, inference=40))
        assert verdict.gaps[0].in_time is in_time


def test_single_label_from_images_before_the_loss_is_no_fail_over() -> None:
    verdict = judged(
        playing(1, {DEPTH: (300, 600)}),
        label(260, rgb=200),  # made while depth still lived
        label(480, rgb=400),
    )
    assert verdict.gaps[0].fail_over_ms == pytest.approx(480 - 205)


def test_label_that_comes_when_the_sensor_is_back_is_no_fail_over() -> None:
    verdict = judged(playing(1, {DEPTH: (300, 600)}), label(640, rgb=500))
    assert verdict.gaps[0].fail_over_ms is None
    assert not verdict.gaps[0].in_time


def test_gap_shorter_than_a_fail_over_may_take_needs_none() -> None:
    # One image is missing: 200 ms between two, where 250 are allowed.
    verdict = judged(playing(1, {DEPTH: (300, 400)}), label(470, rgb=400, depth=400))
    (gap,) = verdict.gaps
    assert gap.fail_over_ms is None
    assert gap.lasted_ms == pytest.approx(200)
    assert gap.in_time


def test_recovery_is_from_the_first_pair_to_the_first_label_from_both() -> None:
    # The colour image that the returning depth image belongs to was there 5 ms before it.
    verdict = judged(
        playing(1, {DEPTH: (300, 600)}),
        label(480, rgb=400),
        label(640, rgb=500),
        label(720, rgb=600, depth=600),
        label(820, rgb=700, depth=700),
    )
    assert verdict.gaps[0].recovery_ms == pytest.approx(720 - 605)


def test_recovery_waits_for_the_partner_of_the_returning_sensor() -> None:
    # Colour comes back at 600 ms, its depth partner at 605 ms.
    verdict = judged(
        playing(1, {RGB: (300, 600)}), label(480, depth=400), label(700, rgb=600, depth=600)
    )
    (gap,) = verdict.gaps
    assert (gap.last, gap.first) == (wall(200), wall(600))
    assert gap.fail_over_ms == pytest.approx(480 - 200)
    assert gap.recovery_ms == pytest.approx(700 - 605)


def test_label_from_old_images_of_the_lost_sensor_is_no_recovery() -> None:
    verdict = judged(
        playing(1, {DEPTH: (300, 600)}),
        label(650, rgb=600, depth=200),
        label(760, rgb=700, depth=700),
    )
    assert verdict.gaps[0].recovery_ms == pytest.approx(760 - 605)
    assert verdict.stale == 1


def test_sensor_lost_to_the_end_has_no_recovery() -> None:
    verdict = judged(playing(1, {DEPTH: (300, 5000)}), label(480, rgb=400))
    (gap,) = verdict.gaps
    assert (gap.first, gap.recovery_ms) == (None, None)
    assert gap.lasted_ms == pytest.approx(900 - 205)  # to the last colour image
    assert gap.in_time


def test_sensor_lost_from_the_start_has_no_fail_over() -> None:
    verdict = judged(
        playing(1, {DEPTH: (0, 500)}), label(70, rgb=0), label(570, rgb=500, depth=500)
    )
    (gap,) = verdict.gaps
    assert (gap.last, gap.fail_over_ms) == (None, None)
    assert gap.recovery_ms == pytest.approx(570 - 505)
    assert gap.in_time


def test_both_sensors_lost_at_different_times_are_two_gaps() -> None:
    verdict = judged(
        playing(2, {DEPTH: (300, 600), RGB: (1000, 1400)}),
        label(480, rgb=400),
        label(690, rgb=600, depth=600),
        label(1200, depth=1100),
        label(1490, rgb=1400, depth=1400),
    )
    depth, rgb = verdict.gaps
    assert (depth.modality, rgb.modality) == (DEPTH, RGB)
    assert depth.fail_over_ms == pytest.approx(480 - 205)
    assert rgb.fail_over_ms == pytest.approx(1200 - 900)
    assert depth.recovery_ms == pytest.approx(690 - 605)
    assert rgb.recovery_ms == pytest.approx(1490 - 1405)


@given(late=st.integers(-40, 40), inference=st.integers(0, 400))
def test_label_is_stale_from_the_first_moment_after_what_is_allowed(
    late: int, inference: int
) -> None:
    allowed = 2 * 100 + 50 + inference
    received = 205 + allowed + late
    verdict = judged(playing(1), label(received, rgb=200, depth=200, inference=inference))
    # The colour image is 5 ms older than the depth image.
    assert verdict.stale == (late > -DEPTH_LATER)
    ages = verdict.labels[0].age_ms
    assert ages == pytest.approx({RGB: allowed + late + DEPTH_LATER, DEPTH: allowed + late})


def test_age_of_an_image_ends_when_the_label_is_sent_and_latency_when_it_is_received() -> None:
    """How long a label lies in a queue of this process is no fault of the node's."""
    verdict = judged(playing(1), label(900, sent=300, rgb=200, depth=200))
    assert verdict.labels[0].age_ms == pytest.approx({RGB: 100, DEPTH: 95})
    assert verdict.latency_ms(50) == pytest.approx(695)
    assert verdict.stale == 0


def test_single_label_is_in_a_wrong_mode_when_the_other_image_came_in_time() -> None:
    # Both images of the pair were there at 305 ms. Inference began at 400 ms, and at 340 ms:
    # less than 50 ms after the pair was sent, it may not have arrived.
    early, late = label(460, rgb=300, inference=60), label(400, rgb=300, inference=60)
    assert judged(playing(1), early).wrong_mode == 1
    assert judged(playing(1), late).wrong_mode == 0


def test_single_label_while_the_other_sensor_is_lost_is_in_the_right_mode() -> None:
    verdict = judged(playing(1, {DEPTH: (300, 600)}), label(480, rgb=400), label(640, rgb=500))
    assert verdict.wrong_mode == 0


def test_mode_that_contradicts_the_images_is_wrong() -> None:
    assert judged(playing(1), label(270, rgb=200, depth=200, mode='rgb')).wrong_mode == 1


def test_label_from_an_image_that_nobody_published_is_counted_apart() -> None:
    verdict = judged(playing(1), label(270, rgb=200, depth=250), label(300, rgb=200, depth=200))
    assert (verdict.untraced, len(verdict.labels), verdict.heard) == (1, 1, 2)


def test_image_is_never_found_before_it_was_published() -> None:
    assert judged(playing(1), label(199, rgb=200)).untraced == 1


def test_frames_without_stamp_are_found_by_the_time_of_arrival() -> None:
    """The node stamps such a frame when it arrives: shortly after it was published."""
    bare = [frame(RGB, ms).model_copy(update={'stamp': 0}) for ms in (0, 100, 200)]
    taken = label(190, rgb=100).model_copy(update={'stamps': {RGB: wall(103)}})
    verdict = judged(list(bare), taken)
    assert verdict.labels[0].age_ms == pytest.approx({RGB: 90})
    assert Played(bare).period_ms(RGB) == pytest.approx(100)


def test_loop_with_kept_stamps_finds_the_frame_of_its_own_round() -> None:
    again = [
        f.model_copy(update={'wall': f.wall + 1000 * MS})
        for f in playing(1)
        if isinstance(f, Published)
    ]
    verdict = judged([*playing(1), *again], label(1270, rgb=200, depth=200))
    assert verdict.labels[0].latency_ms == pytest.approx(1270 - 1205)


def test_period_is_the_median_step_and_gaps_do_not_count() -> None:
    jittered = [0, 90, 200, 310, 400]  # steps 90, 110, 110, 90
    events: list[Event] = [frame(RGB, ms) for ms in jittered]
    assert Played(events).period_ms(RGB) == pytest.approx(100)
    events += [lost(RGB, 500), frame(RGB, 5000), frame(RGB, 5120)]  # and a step of 120
    assert Played(events).period_ms(RGB) == pytest.approx(110)


def test_said_labels_and_lateness_are_reported() -> None:
    slow = frame(RGB, 950).model_copy(update={'late_ms': 31.5})
    said = [Said(wall=wall(70), label='mug'), Said(wall=wall(170), label='mug')]
    verdict = judge([*playing(0.9), slow, *said, Ended(wall=wall(1000))], always_a_mug)
    assert (verdict.said, verdict.late_ms) == (2, 31.5)


def test_nothing_played_and_nothing_said_is_judged_too() -> None:
    verdict = judge([], always_a_mug)
    assert (verdict.score, verdict.stale, verdict.rate, list(verdict.gaps)) == ({}, 0, 0.0, [])
    assert verdict.latency_ms(50) is None
    assert verdict.inference_ms('rgbd') is None


HEARD: list[Event] = [
    Mode(wall=wall(150), mode='rgbd'),
    label(280, rgb=200, depth=200),
    Said(wall=wall(280), label='mug'),
    Mode(wall=wall(430), mode='rgb'),
    label(480, rgb=400),
    label(560, rgb=500, said='cap'),
    Mode(wall=wall(606), mode='rgbd'),
    label(720, rgb=600, depth=600),
    label(905, rgb=600, depth=200),
]


@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_how_the_two_processes_lines_interleave_does_not_matter(turns: list[bool]) -> None:
    played = playing(1, {DEPTH: (300, 600)})
    left, right = list(played), list(HEARD)
    merged: list[Event] = []
    for turn in turns:
        source = left if turn else right
        if source:
            merged.append(source.pop(0))
    assert judge([*merged, *left, *right], always_a_mug) == judged(played, *HEARD)


@given(st.lists(st.sampled_from([RGB, DEPTH, None, None]), max_size=40), st.booleans())
def test_silences_are_bounded_by_the_images_around_them(
    lost_at: list[Modality | None], again: bool
) -> None:
    """Against a plain reading of the same stream, frame by frame."""
    events: list[Event] = []
    for index, gone in enumerate(lost_at):
        for modality in Modality:
            if modality is gone:
                events.append(lost(modality, 100 * index))
                if again:  # told twice is still one silence
                    events.append(lost(modality, 100 * index + 1))
            else:
                events.append(frame(modality, 100 * index))
    expected = []
    for modality in Modality:
        sent = [(m is not modality) for m in lost_at]
        for index, there in enumerate(sent):
            if not there and (index == 0 or sent[index - 1]):
                back = next((i for i in range(index, len(sent)) if sent[i]), None)
                before = None if index == 0 else frame(modality, 100 * (index - 1))
                after = None if back is None else frame(modality, 100 * back)
                expected.append((modality, before, after))
    found = Played(events).silences
    assert sorted(found, key=str) == sorted(expected, key=str)
