# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mm_perception.errors import ImageError
from mm_perception.objects.boxes import Box
from mm_perception.objects.tabletop import TabletopSettings
from mm_perception.observation import Frame, Modality
from mm_perception.regions import MINIMUM_SIDE, Region, RegionSettings, crop, find_region

THIRDS = (1 / 3, 2 / 3, 2 / 3, 1 / 3)


def frame(width: int, height: int) -> Frame:
    return Frame(Modality.RGB, 0, 'camera', np.zeros((height, width, 3), np.uint8))


def fractions() -> st.SearchStrategy[RegionSettings]:
    start = st.floats(0, 0.999)
    boxes = st.tuples(start, start, st.floats(1e-3, 1), st.floats(1e-3, 1)).map(
        lambda b: (b[0], b[1], min(b[2], 1 - b[0]), min(b[3], 1 - b[1]))
    )
    fixed = st.builds(lambda box: RegionSettings(kind='fixed', box=box), boxes)
    centre = st.builds(lambda f: RegionSettings(fraction=f), st.floats(1e-3, 1))
    return st.one_of(fixed, centre, st.just(RegionSettings(kind='full')))


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({}, Region(200, 120, 240, 240)),
        ({'fraction': 1}, Region(80, 0, 480, 480)),
        ({'kind': 'full'}, Region(0, 0, 640, 480)),
        ({'kind': 'fixed', 'box': (0.25, 0.5, 0.5, 0.25)}, Region(160, 240, 320, 120)),
        ({'kind': 'fixed', 'box': THIRDS}, Region(213, 320, 427, 160)),
    ],
)
def test_region_of_a_vga_image(settings: dict[str, Any], expected: Region) -> None:
    assert find_region(RegionSettings(**settings), frame(640, 480)) == expected


def test_other_resolution_sees_the_same_part() -> None:
    settings = RegionSettings(fraction=0.5)
    assert find_region(settings, frame(1280, 960)) == Region(400, 240, 480, 480)
    assert find_region(settings, frame(320, 240)) == Region(100, 60, 120, 120)


@given(fractions(), st.integers(MINIMUM_SIDE, 2000), st.integers(MINIMUM_SIDE, 2000))
def test_region_is_always_inside_and_never_too_small(
    settings: RegionSettings, width: int, height: int
) -> None:
    x, y, across, down = find_region(settings, frame(width, height))
    assert x >= 0
    assert y >= 0
    assert x + across <= width
    assert y + down <= height
    assert min(across, down) >= MINIMUM_SIDE


def test_small_region_is_enlarged_about_its_centre() -> None:
    assert find_region(RegionSettings(fraction=0.01), frame(640, 480)) == Region(312, 232, 16, 16)
    corner = RegionSettings(kind='fixed', box=(0.99, 0.99, 0.01, 0.01))
    assert find_region(corner, frame(640, 480)) == Region(624, 464, 16, 16)


def test_image_too_small_is_refused_with_its_size() -> None:
    with pytest.raises(ImageError, match=r"frame 'camera': 640x15 pixels are too few.* 16x16"):
        find_region(RegionSettings(), frame(640, 15))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'fraction': 0}, 'greater than 0'),
        ({'fraction': 1.1}, 'less than or equal to 1'),
        ({'fraction': float('nan')}, 'finite number'),
        ({'kind': 'center'}, "'centre', 'fixed', 'full' or 'tabletop'"),
        ({'tabletop': {}}, "tabletop is for kind 'tabletop', not 'centre'"),
        ({'kind': 'tabletop', 'tabletop': {'near': 9}}, 'less than or equal to 5'),
        ({'kind': 'fixed'}, "kind 'fixed' needs a box"),
        ({'box': (0, 0, 1, 1)}, "box is for kind 'fixed', not 'centre'"),
        ({'kind': 'fixed', 'box': (0.5, 0, 0.6, 1)}, 'not inside the image'),
        ({'kind': 'fixed', 'box': (-0.1, 0, 0.5, 1)}, 'not inside the image'),
        ({'kind': 'fixed', 'box': (0, 0, 0, 1)}, 'not inside the image'),
        ({'kind': 'fixed', 'box': (0, 0, float('nan'), 1)}, 'finite number'),
        ({'kind': 'fixed', 'box': (160, 120, 320, 240)}, 'fractions'),
        ({'side': 3}, 'Extra inputs'),
    ],
)
def test_wrong_setting_is_refused_saying_what_is_allowed(
    settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        RegionSettings(**settings)


def test_settings_survive_the_manifest() -> None:
    settings = RegionSettings(kind='fixed', box=THIRDS)
    assert RegionSettings.model_validate(settings.model_dump(mode='json')) == settings


def test_bundle_for_tables_keeps_every_setting_of_today() -> None:
    settings = RegionSettings(kind='tabletop')
    assert settings.tabletop == TabletopSettings()
    assert settings.model_dump()['tabletop']['gap'] == TabletopSettings().gap
    assert RegionSettings.model_validate(settings.model_dump(mode='json')) == settings
    assert RegionSettings().tabletop is None


@given(fractions(), st.integers(MINIMUM_SIDE, 2000), st.integers(MINIMUM_SIDE, 2000))
def test_box_of_an_object_goes_before_the_settings(
    settings: RegionSettings, width: int, height: int
) -> None:
    box = Box(0.25, 0.5, 0.5, 0.25)
    fixed = RegionSettings(kind='fixed', box=tuple(box))
    seen = frame(width, height)
    assert find_region(settings, seen, box) == find_region(fixed, seen)


def test_crop_is_a_view() -> None:
    image = np.arange(20 * 30, dtype=np.float32).reshape(20, 30)
    part = crop(image, Region(3, 2, 17, 16))
    assert np.shares_memory(part, image)
    assert part.shape == (16, 17)
    assert part[0, 0] == 2 * 30 + 3


@pytest.mark.parametrize(
    'region',
    [Region(20, 0, 16, 16), Region(0, 5, 16, 16), Region(-1, 0, 16, 16), Region(0, 0, 0, 9)],
)
def test_region_of_another_image_is_refused(region: Region) -> None:
    with pytest.raises(ImageError, match='not inside an image of 30x20'):
        crop(np.zeros((20, 30)), region)
