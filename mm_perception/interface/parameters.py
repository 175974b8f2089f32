# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter of the robot's node, declared once.

The node declares its parameters from this table, checks values against it, and the table in
doc/node.md is printed from it: ``python -m mm_perception.interface.parameters``.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mm_perception.errors import SettingsError
from mm_perception.health import HealthSettings
from mm_perception.pairing import PairingSettings
from mm_perception.uncertain.settings import UncertainSettings

Value = bool | int | float | str
_Settings = TypeVar('_Settings')

_HEALTH = HealthSettings()
_PAIRING = PairingSettings()
_UNCERTAIN = UncertainSettings()


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        name: Its name on the node.
        default: Its default, which also tells its type: bool, int, float or str.
        sentence: What it does.
        choices: The strings allowed; none means any.
        minimum: The least number allowed.
        maximum: The greatest number allowed.
        live: Whether a change takes effect at once. The others are read at configure and refused
            from then on, until cleanup.

    """

    name: str
    default: Value
    sentence: str
    choices: tuple[str, ...] = ()
    minimum: float = -math.inf
    maximum: float = math.inf
    live: bool = False

    @property
    def type_name(self) -> str:
        """``bool``, ``int``, ``float`` or ``str``."""
        return type(self.default).__name__

    @property
    def allowed(self) -> str:
        """What may be set, for a person."""
        if self.choices:
            return ' or '.join(self.choices)
        if isinstance(self.default, bool):
            return 'true or false'
        if isinstance(self.default, str):
            return 'any text'
        kind = 'whole number' if isinstance(self.default, int) else 'number'
        return f'a {kind} from {self.minimum:g} to {self.maximum:g}'

    def check(self, value: object) -> Value:
        """Return the value in this parameter's type; a whole number will do for a float.

        Raises:
            SettingsError: It has another type, is no choice, or is out of range.

        """
        if isinstance(self.default, float) and type(value) is int and self._admits(value):
            value = float(value)
        if type(value) is not type(self.default) or not self._admits(value):
            raise SettingsError(f'parameter {self.name}: {value!r} is refused; use {self.allowed}')
        return value

    def _admits(self, value: Value) -> bool:
        if isinstance(value, str):
            return not self.choices or value in self.choices
        return self.minimum <= value <= self.maximum  # NaN never is


PARAMETERS = (
    Parameter('model', '', 'Folder of the trained bundle; needed to configure.'),
    Parameter(
        'backbone_weights',
        '',
        "File with the backbone's weights; empty: those that the bundle names, from the torch "
        'cache.',
    ),
    Parameter(
        'device',
        'auto',
        'Where the networks run; `auto` takes a GPU where torch finds one, else the CPU.',
        choices=('auto', 'cpu', 'cuda'),
    ),
    Parameter(
        'engine',
        'auto',
        'What computes the features; `auto` takes the one that is the fastest here. `openvino` is '
        'for a CPU, `cudagraph` for a GPU.',
        choices=('auto', 'torch', 'openvino', 'cudagraph'),
    ),
    Parameter(
        'precision',
        'auto',
        'In how many bits; `auto` takes the fastest whose features are near enough. `int8` needs a '
        'bundle that went through `train engines`.',
        choices=('auto', 'float32', 'bfloat16', 'int8'),
    ),
    Parameter(
        'region',
        'bundle',
        'Where the objects are: `bundle`: where the bundle was trained to look; `tabletop`: on a '
        'table, each labelled, whatever the bundle was trained on; `detections`: where the topic '
        '`detections` says.',
        choices=('bundle', 'tabletop', 'detections'),
    ),
    Parameter(
        'detections_age',
        0.5,
        'Greatest age in seconds of the detections that an image is labelled with, before the '
        "image's own have come.",
        minimum=0.0,
        maximum=10.0,
    ),
    Parameter(
        'rgb_transport',
        'raw',
        'Transport of the colour image; anything but `raw` is appended to the topic.',
        choices=('raw', 'compressed'),
    ),
    Parameter(
        'depth_transport',
        'raw',
        'Transport of the depth image; anything but `raw` is appended to the topic.',
        choices=('raw', 'compressed', 'compressedDepth'),
    ),
    Parameter(
        'reliability',
        'best_effort',
        "QoS of the image subscriptions; `best_effort` matches every driver's.",
        choices=('best_effort', 'reliable'),
    ),
    Parameter(
        'autostart',
        False,
        'Configure and activate at start, without waiting for a lifecycle manager.',
    ),
    Parameter(
        'reject_unknown',
        True,
        'Label `unknown` what is unlike anything that the bundle was trained for.',
        live=True,
    ),
    Parameter(
        'slop',
        _PAIRING.slop,
        'Greatest distance in seconds between the stamps of a colour and a depth image that '
        'belong together.',
        minimum=0.0,
        maximum=1.0,
        live=True,
    ),
    Parameter(
        'timeout_periods',
        _HEALTH.timeout_periods,
        'A sensor is lost after this many of its own frame periods without a good frame.',
        minimum=1.0,
        maximum=100.0,
        live=True,
    ),
    Parameter(
        'grace',
        _HEALTH.grace,
        'Seconds added to that for the jitter of transport and scheduling.',
        minimum=0.0,
        maximum=1.0,
        live=True,
    ),
    Parameter(
        'assumed_period',
        _HEALTH.assumed_period,
        "Frame period in seconds until a sensor's own is learned.",
        minimum=0.005,
        maximum=10.0,
        live=True,
    ),
    Parameter(
        'max_invalid',
        _HEALTH.max_invalid,
        'Share of invalid pixels over which a depth image is unusable.',
        minimum=0.0,
        maximum=1.0,
        live=True,
    ),
    Parameter(
        'min_spread',
        _HEALTH.min_spread,
        'Standard deviation in grey levels under which a colour image shows nothing.',
        minimum=0.0,
        maximum=128.0,
        live=True,
    ),
    Parameter(
        'frozen_repeats',
        _HEALTH.frozen_repeats,
        'A sensor is frozen after this many exact repetitions of an image; 0 never, for '
        'simulators without sensor noise.',
        minimum=0,
        maximum=1000,
        live=True,
    ),
    Parameter(
        'uncertain_folder',
        _UNCERTAIN.folder,
        'Folder in which frames with an unsure label are kept, as bags to be labelled; empty: '
        'none are.',
    ),
    Parameter(
        'uncertain_below',
        _UNCERTAIN.below,
        'A label is unsure when its best class is less probable than this, when it is `unknown`, '
        'or while the sensors disagree.',
        minimum=0.0,
        maximum=1.0,
        live=True,
    ),
    Parameter(
        'uncertain_limit',
        _UNCERTAIN.limit,
        'Megabytes that the folder may have; the oldest bags make room for new ones.',
        minimum=1,
        maximum=1_000_000,
        live=True,
    ),
    Parameter(
        'uncertain_pause',
        _UNCERTAIN.pause,
        'Seconds from one kept frame to the next, at least.',
        minimum=0.0,
        maximum=86_400.0,
        live=True,
    ),
)

BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}


def check(name: str, value: object) -> Value:
    """Check one value by its parameter's name.

    Raises:
        SettingsError: There is no such parameter, or its value is refused.

    """
    if name not in BY_NAME:
        raise SettingsError(f'parameter {name}: {unknown(name)}')
    return BY_NAME[name].check(value)


def unknown(name: str) -> str:
    """Say that there is no such parameter, and which one may have been meant."""
    near = difflib.get_close_matches(str(name), BY_NAME, n=1)  # YAML names things with numbers, too
    return (
        f'there is no such parameter; did you mean {near[0]}?'
        if near
        else (f'there is no such parameter; there are {", ".join(BY_NAME)}')
    )


def changed(
    values: Mapping[str, Value], changes: Mapping[str, object], state: str
) -> dict[str, Value]:
    """Check changes and apply them, all or none.

    Args:
        values: Every parameter's value now.
        changes: New values, by name.
        state: The node's lifecycle state; what is not live can be changed only in
            ``unconfigured``.

    Returns:
        Every parameter's value from now on.

    Raises:
        SettingsError: A change is refused.

    """
    checked = {name: check(name, value) for name, value in changes.items()}
    for name, value in checked.items():
        if state != 'unconfigured' and not BY_NAME[name].live and value != values[name]:
            raise SettingsError(f'parameter {name}: the node is {state}; set it before configure')
    return {**values, **checked}


def settings_from(kind: type[_Settings], values: Mapping[str, Any], prefix: str = '') -> _Settings:
    """Make a settings dataclass from the parameters that are named like its fields."""
    # No type can say that a class is a dataclass.
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: values[prefix + name] for name in names})


def markdown_table(parameters: Iterable[Parameter] = PARAMETERS) -> str:
    """Render the table that stands in doc/node.md."""
    rows = ['| parameter | default | allowed | live | what |', '|---|---|---|---|---|']
    rows += [
        f'| `{p.name}` | {_shown(p.default)} | {p.allowed} | {"yes" if p.live else "no"} '
        f'| {p.sentence} |'
        for p in parameters
    ]
    return '\n'.join(rows)


def _shown(default: Value) -> str:
    if isinstance(default, bool):
        return f'`{str(default).lower()}`'
    return f'`{default}`' if default != '' else 'empty'


if __name__ == '__main__':
    print(markdown_table())  # noqa: T201 - printing it is what the command is for
