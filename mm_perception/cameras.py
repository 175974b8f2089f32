# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Camera presets: which driver publishes what where, a YAML file each in ``config/cameras``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from mm_perception import parameters, plain_yaml
from mm_perception.errors import SettingsError

INPUTS = ('rgb/image', 'depth/image', 'rgb/camera_info', 'depth/camera_info')
"""The names that the node subscribes to, and a preset remaps."""


@dataclass(frozen=True)
class Camera:
    """What a preset says.

    Attributes:
        remappings: The driver's topic for each of the node's input names.
        parameters: Parameters of the node that this driver wants otherwise than by default.

    """

    remappings: Mapping[str, str]
    parameters: Mapping[str, parameters.Value]


def load_camera(name: str, presets: Path) -> Camera:
    """Read a preset.

    Args:
        name: A preset's name, or the path of a file of your own: it has a ``/``, or ends in
            ``.yaml`` or ``.yml``.
        presets: The folder of the presets.

    Raises:
        SettingsError: There is no such preset, it cannot be read, or it is not one.

    """
    own = '/' in name or name.endswith(('.yaml', '.yml'))
    path = Path(name) if own else presets / f'{name}.yaml'
    try:
        content = plain_yaml.load(path)
    except OSError as error:
        if own or path.exists():
            raise SettingsError(f'camera {path}: {error.strerror}') from error
        known = ', '.join(sorted(preset.stem for preset in presets.glob('*.yaml')))
        raise SettingsError(f'camera {name}: no such preset; use {known}, or a path') from error
    except yaml.YAMLError as error:
        raise SettingsError(f'{path}: not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict) or set(content) != {'remappings', 'parameters'}:
        raise SettingsError(f'{path}: not a camera preset; it holds `remappings` and `parameters`')
    topics, values = content['remappings'], content['parameters']
    if not isinstance(topics, dict) or not {*topics} <= {*INPUTS} or not _all_text(topics):
        raise SettingsError(f'{path}: `remappings` gives topics to {", ".join(INPUTS)} only')
    if not isinstance(values, dict):
        raise SettingsError(f'{path}: `parameters` gives values to parameters by name')
    try:
        checked = {name: parameters.check(name, value) for name, value in values.items()}
    except SettingsError as error:
        raise SettingsError(f'{path}: {error}') from error
    return Camera(topics, checked)


def _all_text(topics: Mapping[str, object]) -> bool:
    return all(
        isinstance(topic, str) and topic and topic.isprintable() for topic in topics.values()
    )
