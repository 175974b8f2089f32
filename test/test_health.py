# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.health import NS, HealthSettings, SensorHealth
from mm_perception.observation import Frame, Modality

PERIOD = NS // 30
NOISE = np.random.default_rng(0)


def rgb(stamp: int, image: np.ndarray | None = None) -> Frame:
    if image is None:
        image = NOISE.integers(40, 200, (48, 64, 3), dtype=np.uint8)
    return Frame(Modality.RGB, stamp, 'camera', image)


def depth(stamp: int, image: np.ndarray | None = None) -> Frame:
    if image is None:
        image = NOISE.uniform(0.5, 3, (48, 64)).astype(np.float32)
    return Frame(Modality.DEPTH, stamp, 'camera', image)


def running(modality: Modality = Modality.RGB, frames: int = 12, **settings: float) -> SensorHealth:
    """Make a sensor that has sent good frames at 30 Hz, the last at (frames - 1) periods."""
    sensor = SensorHealth(modality, HealthSettings(**settings))
    make = rgb if modality is Modality.RGB else depth
    for i in range(frames):
        assert sensor.inspect(make(i * PERIOD), i * PERIOD) is None
    return sensor


def test_period_is_learned_from_the_stamps() -> None:
    sensor = SensorHealth(Modality.RGB)
    assert sensor.period == 0.1  # assumed, until learned
    for i in range(12):
        sensor.inspect(
            rgb(i * PERIOD), i * PERIOD + (i % 3) * 5_000_000
        )  # arrivals jitter by 10 ms
    assert sensor.period == pytest.approx(1 / 30, rel=1e-6)


def test_period_is_that_of_the_arrivals_when_a_bag_is_played_slowly() -> None:
    sensor = SensorHealth(Modality.RGB)
    for i in range(12):
        sensor.inspect(rgb(i * PERIOD), 10 * i * PERIOD)
    assert sensor.period == pytest.approx(10 / 30, rel=1e-6)


def test_sensor_is_lost_after_two_of_its_own_periods() -> None:
    sensor = running(grace=0.0)
    last = 11 * PERIOD
    assert not sensor.is_lost(last + 2 * PERIOD)
    assert sensor.is_lost(last + 2 * PERIOD + 1000)  # rounding of the period aside


def test_one_dropped_frame_with_jitter_does_not_lose_the_sensor() -> None:
    sensor = running()
    late = 13 * PERIOD + 15_000_000
    assert not sensor.is_lost(late)


def test_sensor_is_back_on_its_first_good_frame() -> None:
    sensor = running()
    later = 11 * PERIOD + 5 * NS
    assert sensor.is_lost(later)
    assert sensor.inspect(rgb(later), later) is None
    assert not sensor.is_lost(later)


def test_sensor_never_seen_is_lost_only_after_the_assumed_period() -> None:
    sensor = SensorHealth(Modality.DEPTH)
    assert not sensor.is_lost(7 * NS)
    assert not sensor.is_lost(7 * NS + 200_000_000)
    assert sensor.is_lost(7 * NS + 230_000_000)
    assert sensor.status(9 * NS).level == 'stale'


@pytest.mark.parametrize(
    ('image', 'reason'),
    [
        (np.zeros((48, 64, 3), np.uint8), 'black'),
        (np.full((48, 64, 3), 255, np.uint8), 'white'),
        (np.full((48, 64, 3), (90, 20, 20), np.uint8), 'one colour'),
    ],
)
def test_picture_that_shows_nothing_is_unusable(image: np.ndarray, reason: str) -> None:
    fault = SensorHealth(Modality.RGB).inspect(rgb(0, image), 0)
    assert fault is not None
    assert reason in fault


@pytest.mark.parametrize(
    ('value', 'reason'), [(np.nan, 'invalid'), (np.inf, 'invalid'), (1.5, 'everywhere')]
)
def test_depth_that_shows_nothing_is_unusable(value: float, reason: str) -> None:
    fault = SensorHealth(Modality.DEPTH).inspect(depth(0, np.full((48, 64), value, np.float32)), 0)
    assert fault is not None
    assert reason in fault


@pytest.mark.parametrize('shape', [(480, 640), (720, 1280), (1080, 1920), (481, 641)])
@pytest.mark.parametrize(
    ('colour', 'noise', 'reason'),
    [((8, 8, 8), 5, 'black'), ((19, 19, 19), 4, 'one colour'), ((160, 30, 25), 4, 'one colour')],
    ids=['a lens cap', 'a lens cap under automatic gain', 'a finger'],
)
def test_noise_of_a_covered_lens_shows_nothing(
    shape: tuple[int, int], colour: tuple[int, int, int], noise: float, reason: str
) -> None:
    covered = np.clip(NOISE.normal(colour, noise, (*shape, 3)), 0, 255).astype(np.uint8)
    for image in (covered, covered[:, :, ::-1]):  # as bgr8 comes
        fault = SensorHealth(Modality.RGB).inspect(rgb(0, image), 0)
        assert fault is not None
        assert reason in fault


def test_dim_room_with_a_lamp_is_usable() -> None:
    image = NOISE.integers(0, 12, (480, 640, 3), dtype=np.uint8)
    image[100:250, 100:250] = 180
    assert SensorHealth(Modality.RGB).inspect(rgb(0, image), 0) is None


def test_depth_with_many_holes_is_usable() -> None:
    image = NOISE.uniform(0.5, 3, (48, 64)).astype(np.float32)
    image[NOISE.uniform(size=image.shape) < 0.8] = np.nan
    assert SensorHealth(Modality.DEPTH).inspect(depth(0, image), 0) is None


@pytest.mark.parametrize('modality', list(Modality))
def test_frozen_picture_is_noticed_within_two_periods(modality: Modality) -> None:
    sensor = running(modality)
    make = rgb if modality is Modality.RGB else depth
    image = make(0).image.copy()
    image[:4] = np.nan if modality is Modality.DEPTH else 0
    faults = [
        sensor.inspect(make((12 + i) * PERIOD, image.copy()), (12 + i) * PERIOD) for i in range(3)
    ]
    assert faults[:2] == [None, None]
    assert faults[2] is not None
    assert 'frozen' in faults[2]


def test_frozen_sensor_is_lost_two_periods_after_its_picture_last_changed() -> None:
    sensor = running(grace=0.0)
    for i in range(12, 15):
        sensor.inspect(rgb(i * PERIOD, np.full((48, 64, 3), [[1], [99]] * 32)), i * PERIOD)
    assert sensor.status(14 * PERIOD).age == pytest.approx(2 / 30, rel=1e-6)
    assert sensor.is_lost(14 * PERIOD + 1000)  # the picture was new at 12 periods


def test_one_changed_pixel_is_not_a_frozen_picture() -> None:
    sensor = running()
    image = NOISE.integers(40, 200, (480, 640, 3), dtype=np.uint8)
    for i in range(12, 20):
        image = image.copy()
        image[3, 3, 0] ^= 1  # between the pixels that are looked at first
        assert sensor.inspect(rgb(i * PERIOD, image), i * PERIOD) is None


def test_frozen_pictures_pass_where_the_check_is_off() -> None:
    sensor = running(frozen_repeats=0)
    image = rgb(0).image
    assert {sensor.inspect(rgb(i * PERIOD, image), i * PERIOD) for i in range(12, 30)} == {None}


def test_unusable_frames_do_not_keep_a_sensor_alive() -> None:
    sensor = running()
    black = np.zeros((48, 64, 3), np.uint8)
    for i in range(12, 30):
        sensor.inspect(rgb(i * PERIOD, black), i * PERIOD)
    status = sensor.status(29 * PERIOD)
    assert sensor.is_lost(29 * PERIOD)
    assert status.level == 'error'
    assert 'black' in status.reason
    assert status.rate == pytest.approx(30, rel=0.01)


def test_repeated_and_late_stamps_are_refused() -> None:
    sensor = running()
    assert 'advance' in (sensor.inspect(rgb(11 * PERIOD), 12 * PERIOD) or '')
    assert 'order' in (sensor.inspect(rgb(10 * PERIOD), 12 * PERIOD) or '')
    assert sensor.inspect(rgb(12 * PERIOD), 12 * PERIOD) is None


def test_frames_that_were_held_up_are_unusable_until_they_come_in_time_again() -> None:
    sensor = running()
    burst = 41 * PERIOD  # a second of silence, then all of it at once
    faults = [sensor.inspect(rgb(i * PERIOD), burst + i * 1000) for i in range(12, 42)]
    assert all('held up' in (fault or '') for fault in faults[:27])
    assert 'for 0.97 s' in (faults[0] or '')
    assert faults[-2:] == [None, None]


@pytest.mark.parametrize('catching_up', [0.5, 0.9])  # of a period, by each frame
def test_frames_of_a_jam_that_eases_slowly_are_unusable_as_well(catching_up: float) -> None:
    sensor = running()
    for i in range(12, 60):
        late = NS - round((i - 12) * catching_up * PERIOD * 1.1)
        fault = sensor.inspect(rgb(i * PERIOD), i * PERIOD + max(late, 0))
        assert (fault is None) == (late <= sensor.timeout * NS)


@pytest.mark.parametrize('longer', [0.2, 5.0])
def test_longer_way_is_accepted_from_its_third_frame_on(longer: float) -> None:
    sensor = running()
    faults = [
        sensor.inspect(rgb(i * PERIOD), i * PERIOD + round(longer * NS)) for i in range(12, 30)
    ]
    assert [fault is None for fault in faults] == [False, False, *[True] * 16]


def test_bag_that_is_slowed_down_is_taken_up_again() -> None:
    sensor = running()
    faults = [
        sensor.inspect(rgb((12 + i) * PERIOD), (12 + 10 * (i + 1)) * PERIOD) for i in range(30)
    ]
    assert faults[2] is None  # never are more than two in a row refused
    assert faults[10:] == [None] * 20


def test_recordings_frames_are_good_however_they_were_received() -> None:
    sensor = SensorHealth(Modality.RGB, live=False)
    received = [i // 30 * 30 * PERIOD for i in range(90)]  # flushed once a second
    assert {sensor.inspect(rgb(i * PERIOD), at) for i, at in enumerate(received)} == {None}
    assert not sensor.is_stale(0, 90 * PERIOD)


@pytest.mark.parametrize('back', [0.3, 2.0, 3600.0])
def test_bag_that_loops_is_taken_up_again(back: float) -> None:
    sensor = running(frames=120)
    start = round(119 * PERIOD - back * NS)
    faults = [sensor.inspect(rgb(start + i * PERIOD), (120 + i) * PERIOD) for i in range(10)]
    assert faults[3:] == [None] * 7
    assert sensor.period == pytest.approx(1 / 30, rel=1e-6)
    if back >= 1:
        assert faults[0] is None  # at once, where it cannot be a frame out of order


def test_clock_set_back_does_not_lose_a_living_sensor() -> None:
    sensor = running(frames=120)
    assert not sensor.is_lost(0)
    assert sensor.inspect(rgb(200 * PERIOD), 5_000_000) is None
    assert not sensor.is_lost(2 * PERIOD)
    assert sensor.is_lost(NS)


def test_clock_set_back_does_not_bring_a_lost_sensor_back() -> None:
    sensor = running(frames=120)
    assert sensor.is_lost(300 * PERIOD)
    sensor.inspect(rgb(300 * PERIOD, np.zeros((48, 64, 3), np.uint8)), 300 * PERIOD)
    assert sensor.is_lost(0)
    assert sensor.inspect(rgb(0), 1) is None
    assert not sensor.is_lost(2)


def test_depth_without_one_valid_pixel_is_unusable_whatever_is_allowed() -> None:
    sensor = SensorHealth(Modality.DEPTH, HealthSettings(max_invalid=1.0))
    assert 'invalid' in (sensor.inspect(depth(0, np.full((48, 64), np.nan, 'f4')), 0) or '')


@given(st.lists(st.tuples(st.integers(-(10**19), 10**19), st.integers(0, 10**19)), max_size=40))
def test_any_stamps_and_times_give_an_answer(times: list[tuple[int, int]]) -> None:
    sensor = SensorHealth(Modality.RGB)
    image = rgb(0).image
    for stamp, now in times:
        sensor.inspect(rgb(stamp, image), now)
        status = sensor.status(now)
        assert status.level in {'ok', 'warn', 'error', 'stale'}
        assert status.rate >= 0
        assert sensor.period > 0


def test_two_looks_after_the_clock_was_set_back_see_the_same() -> None:
    sensor = SensorHealth(Modality.RGB)
    assert not sensor.is_lost(100 * NS)  # the wait for the first frame begins
    for i in range(12):
        assert sensor.inspect(rgb(i * PERIOD), 100 * NS + i * PERIOD) is None
    assert [sensor.is_lost(50 * NS) for _ in range(3)] == [False, False, False]
