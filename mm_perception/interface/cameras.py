# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Camera presets: which driver publishes what where, a YAML file each in ``config/cameras``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from mm_perception import plain_yaml
from mm_perception.errors import SettingsError
from mm_perception.interface import parameters

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


def load_cameras(names: str, namespaces: Sequence[str], presets: Path) -> Camera:
    """Read the presets of several cameras.

    Args:
        names: One for all, or one each, with commas between; empty: no remapping. Of one for all
            the drivers run in the cameras' namespaces, and their topics lie there.
        namespaces: The cameras'.
        presets: See `load_camera`.

    Returns:
        What is to be said to the process of them all: remappings of inputs by their full names.

    Raises:
        SettingsError: See `load_camera`; or there are neither one nor as many as cameras, two
            cameras have the same topic, or they want parameters otherwise.

    """
    if not names:
        return Camera({}, {})
    cameras = [load_camera(name, presets) for name in names.split(',')]
    one_for_all = len(cameras) == 1
    cameras *= len(namespaces) if one_for_all else 1
    if len(cameras) != len(namespaces):
        raise SettingsError(
            f'camera {names}: {len(cameras)} presets for {len(namespaces)} cameras; give one for '
            'all, or one each'
        )
    if any(camera.parameters != cameras[0].parameters for camera in cameras):
        raise SettingsError(
            f'camera {names}: the presets want different parameters; give them in params_file, '
            f'under {namespaces[0]}/mm_perception and so on'
        )
    remappings = {
        f'{namespace}/{name}': f'{namespace}/{topic.lstrip("/")}' if one_for_all else topic
        for namespace, camera in zip(namespaces, cameras, strict=True)
        for name, topic in camera.remappings.items()
    }
    topics = Counter(topic for name, topic in remappings.items() if name.endswith('/image'))
    if shared := [topic for topic, count in topics.items() if count > 1]:
        raise SettingsError(f'camera {names}: two cameras on {shared[0]}; give each its own preset')
    return Camera(remappings, cameras[0].parameters)


def _all_text(topics: Mapping[str, object]) -> bool:
    return all(
        isinstance(topic, str) and topic and topic.isprintable() for topic in topics.values()
    )
