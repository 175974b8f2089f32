# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from pydantic import ValidationError

from training.simulation.faults import FaultySensor
from training.simulation.kinect import HEIGHT, WIDTH
from training.simulation.settings import Fault, Sensor


def depth_picture(value: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), value, np.uint16)


def sensor(kind: str, which: Sensor = 'depth') -> FaultySensor:
    fault = Fault.model_validate({'sensor': which, 'kind': kind, 'start': 1, 'end': 2})
    return FaultySensor(which, [fault], [0])


@pytest.mark.parametrize('kind', ['drop', 'freeze', 'blind'])
def test_a_sensor_is_well_before_and_after_its_fault(kind: str) -> None:
    faulty = sensor(kind)
    for seconds in (0.0, 0.99, 2.0, 5.0):
        picture = depth_picture(700 + int(seconds))
        assert faulty.sent(picture, seconds) is picture


def test_a_dropped_sensor_sends_nothing() -> None:
    assert sensor('drop').sent(depth_picture(700), 1.0) is None


def test_a_frozen_sensor_repeats_its_last_good_picture() -> None:
    faulty, last = sensor('freeze'), depth_picture(700)
    faulty.sent(last, 0.9)
    assert faulty.sent(depth_picture(701), 1.0) is last
    assert faulty.sent(depth_picture(702), 1.9) is last


def test_a_sensor_frozen_from_the_start_repeats_its_first_picture() -> None:
    faulty, first = sensor('freeze'), depth_picture(700)
    assert faulty.sent(first, 1.0) is first
    assert faulty.sent(depth_picture(701), 1.1) is first


def test_a_blind_depth_sensor_finds_no_distance() -> None:
    sent = sensor('blind').sent(depth_picture(700), 1.5)
    assert sent is not None
    assert sent.max() == 0


def test_a_blind_colour_sensor_sends_noisy_black() -> None:
    faulty = sensor('blind', 'rgb')
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    first, second = (faulty.sent(white, seconds) for seconds in (1.1, 1.2))
    assert first is not None
    assert first.mean() < 10
    assert (first != second).any()


def test_the_other_sensor_does_not_fail() -> None:
    fault = Fault(sensor='depth', kind='drop', start=0, end=9)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert FaultySensor('rgb', [fault], [0]).sent(picture, 1.0) is picture


def test_a_fault_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValidationError, match='must end after it starts'):
        Fault(sensor='rgb', kind='drop', start=2, end=2)
