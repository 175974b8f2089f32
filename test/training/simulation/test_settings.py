# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from training.simulation import SimulationSettings


def test_the_defaults_record_at_least_ten_categories_with_several_instances() -> None:
    settings = SimulationSettings()
    assert len(settings.categories) >= 10
    assert settings.training_instances > 1
    assert settings.test_instances > 1


def test_every_setting_says_what_it_is() -> None:
    for name, field in SimulationSettings.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize(
    ('wrong', 'said'),
    [
        ({'categories': ('apple', 'unicorn')}, "no 'unicorn'; choose from apple"),
        ({'categories': ('apple', 'apple')}, 'each may be named once'),
        ({'distance': (0.4, 1.0)}, 'within 0.5 to 4 m'),
        ({'distance': (1.0, 0.8)}, 'within 0.5 to 4 m'),
        ({'elevation': (0.0, 40.0)}, 'within 5 to 80 degrees'),
        ({'rate_hz': 60}, 'less than or equal to 30'),
        ({'labelled_fraction': 1.1}, 'less than or equal to 1'),
        ({'frames': 3}, 'Extra inputs are not permitted'),
    ],
)
def test_a_wrong_setting_is_refused_and_told_what_is_allowed(
    wrong: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        SimulationSettings.model_validate(wrong)
