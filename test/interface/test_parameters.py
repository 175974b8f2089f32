# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_perception.errors import SettingsError
from mm_perception.health import HealthSettings
from mm_perception.interface.parameters import (
    BY_NAME,
    PARAMETERS,
    Parameter,
    changed,
    check,
    markdown_table,
    settings_from,
)
from mm_perception.pairing import PairingSettings

DEFAULTS = {p.name: p.default for p in PARAMETERS}
NUMBERS = [p for p in PARAMETERS if p.type_name in {'int', 'float'}]
CHOICES = [p for p in PARAMETERS if p.choices]


@pytest.mark.parametrize('parameter', PARAMETERS, ids=lambda p: p.name)
def test_every_default_is_allowed_and_described(parameter: Parameter) -> None:
    assert parameter.check(parameter.default) == parameter.default
    assert parameter.sentence.endswith('.')
    assert parameter.name == parameter.name.lower()
    assert parameter.name.isidentifier()


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(PARAMETERS)


@pytest.mark.parametrize('settings', [HealthSettings, PairingSettings])
def test_every_setting_of_health_and_pairing_is_a_live_parameter(settings: type) -> None:
    for field in fields(settings):
        assert BY_NAME[field.name].default == field.default
        assert BY_NAME[field.name].live
    assert settings_from(settings, DEFAULTS) == settings()


@pytest.mark.parametrize('parameter', NUMBERS, ids=lambda p: p.name)
def test_both_ends_of_a_range_are_allowed_and_what_lies_beyond_is_not(parameter: Parameter) -> None:
    kind = type(parameter.default)
    for end in (parameter.minimum, parameter.maximum):
        assert math.isfinite(end)
        assert parameter.check(kind(end)) == end
    for beyond in (parameter.minimum - 1, parameter.maximum + 1):
        with pytest.raises(SettingsError, match=rf'^parameter {parameter.name}: .* from '):
            parameter.check(kind(beyond))


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(SettingsError, match='parameter slop: '):
        check('slop', value)


@pytest.mark.parametrize('parameter', CHOICES, ids=lambda p: p.name)
def test_what_is_not_a_choice_is_refused_with_the_choices(parameter: Parameter) -> None:
    with pytest.raises(SettingsError) as refusal:
        parameter.check('Raw')
    assert str(refusal.value) == (
        f"parameter {parameter.name}: 'Raw' is refused; use {' or '.join(parameter.choices)}"
    )


VALUES = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(), st.none(), st.lists(st.integers())
)


@given(st.sampled_from(PARAMETERS), VALUES)
def test_any_value_is_taken_in_the_parameters_type_or_refused_by_name(
    parameter: Parameter, value: object
) -> None:
    try:
        taken = parameter.check(value)
    except SettingsError as refusal:
        assert str(refusal).startswith(f'parameter {parameter.name}: {value!r} is refused; use ')  # noqa: PT017 - only a refusal has a text
    else:
        assert type(taken) is type(parameter.default)
        assert taken == value


def test_a_whole_number_will_do_for_a_float_but_true_will_not() -> None:
    assert check('slop', 1) == 1.0
    assert isinstance(check('slop', 1), float)
    with pytest.raises(SettingsError, match='True is refused'):
        check('slop', True)
    with pytest.raises(SettingsError, match='True is refused'):
        check('frozen_repeats', True)


def test_a_misspelt_name_is_answered_with_the_one_meant() -> None:
    with pytest.raises(SettingsError, match=r'parameter slopp: .* did you mean slop'):
        check('slopp', 0.1)
    with pytest.raises(SettingsError, match=r'parameter zzzzzz: .* there are model, '):
        check('zzzzzz', 0.1)


@pytest.mark.parametrize('state', ['inactive', 'active'])
def test_what_is_read_at_configure_is_refused_afterwards(state: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        changed(DEFAULTS, {'device': 'cpu'}, state)
    assert str(refusal.value) == f'parameter device: the node is {state}; set it before configure'
    assert changed(DEFAULTS, {'device': 'cpu'}, 'unconfigured')['device'] == 'cpu'


def test_a_live_parameter_may_be_changed_at_any_time() -> None:
    for state in ('unconfigured', 'inactive', 'active'):
        assert changed(DEFAULTS, {'slop': 0.2}, state) == {**DEFAULTS, 'slop': 0.2}


def test_setting_a_parameter_to_what_it_is_already_is_no_change() -> None:
    assert changed(DEFAULTS, {'device': 'auto'}, 'active') == DEFAULTS


def test_of_several_changes_all_or_none_are_made() -> None:
    before = dict(DEFAULTS)
    with pytest.raises(SettingsError, match='max_invalid'):
        changed(before, {'slop': 0.2, 'max_invalid': 2.0}, 'active')
    assert before == DEFAULTS


def test_the_table_has_a_row_with_every_fact_of_every_parameter() -> None:
    rows = markdown_table().splitlines()[2:]
    assert len(rows) == len(PARAMETERS)
    for row, parameter in zip(rows, PARAMETERS, strict=True):
        cells = [cell.strip() for cell in row.strip('|').split('|')]
        assert len(cells) == 5
        assert cells[0] == f'`{parameter.name}`'
        assert cells[2] == parameter.allowed
        assert cells[3] == ('yes' if parameter.live else 'no')
        assert cells[4] == parameter.sentence
