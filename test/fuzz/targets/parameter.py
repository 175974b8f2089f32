# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any value of any type is a parameter's value, in its type and range, or is refused.

What YAML makes of a text, as a preset or a launch argument has it, and what ROS's own types hold.
"""

from __future__ import annotations

import math

import yaml
from fuzz.promises import attempt
from fuzz.reading import Provider

from mm_perception import plain_yaml
from mm_perception.interface import parameters

NAMES = (*parameters.BY_NAME, 'sloop', '', 'x' * 9000, '\n\x1b[2J')


def target(data: bytes) -> None:
    source = Provider(data)
    name, value = source.choice(NAMES), _value(source)
    checked = attempt(lambda: parameters.check(name, value))
    if checked is None:
        return
    parameter = parameters.BY_NAME[name]
    assert type(checked) is type(parameter.default)
    if parameter.choices:
        assert checked in parameter.choices
    if isinstance(checked, float):
        assert math.isfinite(checked)
    defaults = {p.name: p.default for p in parameters.PARAMETERS}
    for state in ('unconfigured', 'active'):
        after = attempt(lambda state=state: parameters.changed(defaults, {name: value}, state))
        assert after is None or after == {**defaults, name: checked}
        assert after is not None or (state == 'active' and not parameter.live)


def _value(source: Provider) -> object:
    kind = source.choice('idbtyTl')
    if kind in 'idb':
        (number,) = source.take({'i': '<q', 'd': '<d', 'b': '?'}[kind])
        return number
    text = source.rest().decode('utf-8', 'surrogateescape')
    return {'t': _parsed(text), 'y': text.encode('utf-8', 'replace'), 'T': text}.get(
        kind, [text] * 1000
    )


def _parsed(text: str) -> object:
    try:
        return plain_yaml.parse(text)
    except yaml.YAMLError:
        return None


def seeds() -> list[bytes]:
    number, text = list(NAMES).index('slop'), list(NAMES).index('device')
    yaml = ('0.05', '1', '.nan', '[1, 2]', '{a: b}', '0x' + 'f' * 9000, '1:' * 500 + '1', 'true')
    return [
        *(bytes([number, 3]) + one.encode() for one in yaml),
        bytes([number, 1]) + b'\0\0\0\0\0\0\xf8\x7f',
        bytes([number, 0]) + b'\xff' * 8,
        bytes([number, 6]) + b'abc',
        bytes([text, 5]) + b'auto',
        bytes([text, 5]) + b'a\nb' * 3000,
        bytes([len(NAMES) - 2, 2, 1]),
        bytes([len(NAMES) - 1, 2, 1]),
    ]
