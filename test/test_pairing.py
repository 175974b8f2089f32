# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_perception.health import NS, HealthSettings, SensorHealth
from mm_perception.observation import Frame, Modality, Observation
from mm_perception.pairing import Pairing, PairingSettings

RGB, DEPTH = Modality.RGB, Modality.DEPTH
PERIOD = NS // 30
MS = 1_000_000
NOISE = np.random.default_rng(0)


@dataclass(frozen=True)
class Event:
    """A frame of a sensor: when it was taken, and when it arrived."""

    arrival: int
    modality: Modality
    stamp: int


def frame(modality: Modality, stamp: int) -> Frame:
    if modality is RGB:
        return Frame(RGB, stamp, 'rgb', NOISE.integers(40, 200, (8, 8, 3), dtype=np.uint8))
    return Frame(DEPTH, stamp, 'depth', NOISE.uniform(0.5, 3, (8, 8)).astype(np.float32))


def pairing(slop: float = 0.05, **health: float) -> Pairing:
    sensors = {m: SensorHealth(m, HealthSettings(**health)) for m in Modality}
    return Pairing(PairingSettings(slop), sensors)


def stream(
    modality: Modality, *frames: int, period: int = PERIOD, lag: int = 2 * MS, offset: int = 0
) -> list[Event]:
    return [Event(i * period + offset + lag, modality, i * period + offset) for i in frames]


def play(
    joint: Pairing,
    events: list[Event],
    until: int | None = None,
    timeouts: list[dict[Modality, int]] | None = None,
) -> list[tuple[int, Observation]]:
    """Feed frames as they arrive, polling each 10 ms as the node does; collect what goes out."""
    out = []
    ordered = sorted(events, key=lambda e: e.arrival)
    end = until if until is not None else (ordered[-1].arrival if ordered else 0)
    now = ordered[0].arrival if ordered else 0
    while ordered or now <= end:
        if ordered and ordered[0].arrival <= now:
            event = ordered.pop(0)
            seen = joint.add(frame(event.modality, event.stamp), event.arrival)
            now = max(now, event.arrival)
        else:
            now = min(now + 10 * MS, ordered[0].arrival) if ordered else now + 10 * MS
            seen = joint.poll(now)
        if seen is not None:
            out.append((now, seen))
            if timeouts is not None:  # which change while periods are learned
                timeouts.append({m: round(x.timeout * NS) for m, x in joint.sensors.items()})
    return out


def modes(out: list[tuple[int, Observation]]) -> list[str]:
    return [seen.mode for _, seen in out]


def both(*frames: int, offset: int = 3 * MS) -> list[Event]:
    return stream(RGB, *frames) + stream(DEPTH, *frames, offset=offset)


def test_frames_within_the_slop_go_out_as_pairs_at_once() -> None:
    out = play(pairing(), both(*range(30)))
    assert modes(out) == ['rgbd'] * 30
    for now, seen in out:
        assert abs(seen.frames[RGB].stamp - seen.frames[DEPTH].stamp) == 3 * MS
        assert now == seen.stamp + 2 * MS


def test_pair_is_of_nearest_stamps_when_one_stream_lags() -> None:
    events = stream(RGB, *range(30)) + stream(DEPTH, *range(30), lag=80 * MS, offset=3 * MS)
    for _, seen in play(pairing(), events):
        assert abs(seen.frames[RGB].stamp - seen.frames[DEPTH].stamp) <= 3 * MS


def test_lost_partner_is_given_up_after_two_of_its_periods() -> None:
    out = play(pairing(), both(*range(30)) + stream(RGB, *range(30, 60)))
    assert modes(out) == ['rgbd'] * 30 + ['rgb'] * (len(out) - 30)
    last_depth = 29 * PERIOD + 5 * MS
    first_single = out[30][0]
    assert first_single - last_depth <= 2 * PERIOD + 50 * MS
    assert len(out) >= 30 + 27  # three frames are waited with, no more


@pytest.mark.parametrize(('lost', 'left'), [(RGB, DEPTH), (DEPTH, RGB)])
def test_first_pair_after_a_loss_goes_out_as_a_pair(lost: Modality, left: Modality) -> None:
    events = both(*range(30)) + stream(left, *range(30, 60)) + both(*range(60, 90))
    out = play(pairing(), events)
    returned = next(e.arrival for e in events if e.modality is lost and e.stamp >= 60 * PERIOD)
    back = [now for now, seen in out if seen.mode == 'rgbd' and now > 40 * PERIOD]
    assert back[0] - returned <= 5 * MS
    assert len(back) == 30


def test_one_dropped_frame_does_not_change_the_mode() -> None:
    events = stream(RGB, *range(60)) + stream(DEPTH, *(i for i in range(60) if i not in (20, 40)))
    out = play(pairing(), events)
    assert modes(out) == ['rgbd'] * 58


def test_slower_sensor_sets_the_pace_of_pairs() -> None:
    events = stream(RGB, *range(90)) + stream(DEPTH, *range(30), period=3 * PERIOD)
    out = play(pairing(), events)
    assert set(modes(out)) == {'rgbd'}
    assert len(out) >= 28


def test_unusable_frame_is_as_if_it_had_not_come() -> None:
    joint = pairing()
    play(joint, both(*range(30)))
    black = Frame(RGB, 30 * PERIOD, 'rgb', np.zeros((8, 8, 3), np.uint8))
    assert joint.add(black, 30 * PERIOD) is None
    assert joint.add(frame(DEPTH, 30 * PERIOD), 30 * PERIOD + MS) is None


def test_stamps_that_never_come_together_give_singles_of_the_preferred_sensor() -> None:
    joint = pairing()
    out = play(
        joint, stream(RGB, *range(60)) + stream(DEPTH, *range(60), offset=NS, lag=2 * MS - NS)
    )
    assert set(modes(out)) == {'rgb'}
    assert len(out) >= 50
    assert joint.apart == pytest.approx(1.0, abs=0.05)
    assert joint.mode(60 * PERIOD) == 'rgb'


@pytest.mark.parametrize('late', [RGB, DEPTH])
def test_partner_that_comes_when_a_frame_is_stale_is_no_partner(late: Modality) -> None:
    joint = pairing()
    events = stream(RGB, *range(90)) + stream(DEPTH, *range(90))
    events = [
        Event(e.arrival + (200 * MS if e.modality is late else 0), e.modality, e.stamp)
        for e in events
    ]
    out = play(joint, [e for e in events if e.arrival <= 90 * PERIOD])
    assert set(modes(out[10:])) == {'rgb'}
    assert len(out) >= 75
    assert joint.apart == pytest.approx(0.2, abs=0.04)


def test_labels_go_on_while_the_stamps_drift_apart() -> None:
    drifting = [Event(e.arrival, DEPTH, e.stamp + e.stamp // 2) for e in stream(DEPTH, *range(90))]
    times = [now for now, _ in play(pairing(), stream(RGB, *range(90)) + drifting)]
    assert max(b - a for a, b in itertools.pairwise(times)) <= 3 * PERIOD + 50 * MS


def test_sensors_come_together_again_after_their_clocks_agree() -> None:
    joint = pairing()
    apart = stream(RGB, *range(60)) + stream(DEPTH, *range(60), offset=NS, lag=2 * MS - NS)
    out = play(joint, apart + both(*range(95, 120)))
    # The first two might have been held up on their way for that second.
    assert modes(out)[-23:] == ['rgbd'] * 23
    assert joint.apart is None


def test_nothing_goes_out_when_both_sensors_are_lost() -> None:
    joint = pairing()
    end = 10 * NS
    out = play(joint, both(*range(30)), until=end)
    assert modes(out) == ['rgbd'] * 30
    assert joint.mode(end) == 'none'


def test_only_sensor_of_a_robot_without_depth_is_used_from_the_start() -> None:
    out = play(pairing(), stream(RGB, *range(30)))
    assert set(modes(out)) == {'rgb'}
    assert out[0][0] <= 0.22 * NS + 12 * MS + PERIOD
    assert len(out) >= 22


def test_bag_that_loops_goes_on_in_pairs() -> None:
    joint = pairing()
    out = play(joint, both(*range(60)))
    shift = 61 * PERIOD
    again = [Event(e.arrival + shift, e.modality, e.stamp) for e in both(*range(60))]
    out += play(joint, again)
    assert modes(out) == ['rgbd'] * 120


def test_clock_that_jumps_back_goes_on_in_pairs() -> None:
    joint = pairing()
    assert modes(play(joint, both(*range(60))) + play(joint, both(*range(60)))) == ['rgbd'] * 120


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(Modality), st.integers(0, 3_000), st.integers(-60, 400)),
        max_size=80,
    )
)
def test_label_never_uses_a_frame_older_than_its_sensors_timeout(
    raw: list[tuple[Modality, int, int]],
) -> None:
    joint = pairing()
    events = [Event(at * MS, modality, (at - lag) * MS) for modality, at, lag in raw]
    arrived: dict[tuple[Modality, int], int] = {}
    for event in events:  # a stamp sent twice counts from its first arrival
        key = event.modality, event.stamp
        arrived[key] = min(arrived.get(key, event.arrival), event.arrival)
    timeouts: list[dict[Modality, int]] = []
    out = play(joint, events, 4 * NS, timeouts)
    for (now, seen), allowed in zip(out, timeouts, strict=True):
        for modality, used in seen.frames.items():
            newest = max(
                (e.arrival for e in events if e.modality is modality and e.arrival <= now),
            )
            assert now - newest <= allowed[modality]
            assert arrived[modality, used.stamp] <= now
        if seen.mode == 'rgbd':
            assert abs(seen.frames[RGB].stamp - seen.frames[DEPTH].stamp) <= 50 * MS


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(40)), st.permutations(range(40)))
def test_frames_in_any_order_never_pair_across_the_slop(rgb: list[int], depth: list[int]) -> None:
    joint = pairing(slop=0.02)
    events = [Event(i * PERIOD, RGB, s * PERIOD) for i, s in enumerate(rgb)]
    events += [Event(i * PERIOD + MS, DEPTH, s * PERIOD + MS) for i, s in enumerate(depth)]
    for _, seen in play(joint, events):
        if seen.mode == 'rgbd':
            assert seen.frames[DEPTH].stamp - seen.frames[RGB].stamp == MS


def test_no_frame_goes_out_alone_twice() -> None:
    # The stamps never come together; then RGB comes and goes twice between two frames of depth.
    joint = pairing()
    slow = stream(DEPTH, *range(12), period=NS, offset=9 * NS, lag=2 * MS - 9 * NS)
    bursts = [n * NS + part * MS for n in range(6, 12) for part in (200, 600)]
    quick = [e for start in bursts for e in stream(RGB, *range(5), offset=start)]
    out = play(joint, slow + stream(RGB, *range(180)) + quick, 12 * NS)
    singles = [seen.frames[DEPTH] for _, seen in out if seen.mode == 'depth']
    assert len(singles) > 3
    assert len(set(singles)) == len(singles)
