# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from training.simulation import SimulationSettings
from training.simulation.timing import MIDDLE, MILLISECOND, moments, tick_time

rates = st.sampled_from([5.0, 10.0, 15.0, 29.97, 30.0])


@given(st.integers(0, 2000), rates, st.integers(0, 99))
def test_a_label_from_half_a_period_before_to_half_after_holds_a_tick_s_pictures_alone(
    tick: int, rate: float, seed: int
) -> None:
    settings = SimulationSettings(rate_hz=rate)
    begin, end = (tick_time(settings, tick + half) + MIDDLE for half in (-0.5, 0.5))
    for moment, _ in moments(settings, [seed], tick):
        assert begin < moment.stamp < moment.received < end


@given(st.integers(0, 2000), st.integers(0, 99))
def test_pairs_are_stamped_a_few_milliseconds_apart_and_received_later(
    tick: int, seed: int
) -> None:
    drawn = moments(SimulationSettings(), [seed], tick)
    stamps = {sensor: moment.stamp for moment, sensor in drawn}
    assert 1 * MILLISECOND <= stamps['depth'] - stamps['rgb'] <= 9 * MILLISECOND
    for moment, _ in drawn:
        assert 8 * MILLISECOND <= moment.received - moment.stamp <= 14 * MILLISECOND
    assert drawn[0][0].received <= drawn[1][0].received


def test_stamps_jitter() -> None:
    settings = SimulationSettings()
    steps = {
        min(moment.stamp for moment, _ in moments(settings, [0], tick)) - tick_time(settings, tick)
        for tick in range(20)
    }
    assert len(steps) > 15
