# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The environment in which processes on one machine talk over ROS, and to nobody else."""

from __future__ import annotations

import os
from pathlib import Path

from mm_perception.errors import SettingsError
from training.config import config_folders

_ROOT = Path(__file__).parents[2]
_MAX_DOMAIN = 101  # above it Fast DDS's ports run into those that Linux hands out to anybody
_FIRST, _COUNT = 20, 80  # the low ones are people's own


def private_domain() -> int:
    """Choose a ROS domain that hardly anybody else on this machine uses."""
    return _FIRST + os.getpid() % _COUNT


def live_environment(domain: int) -> dict[str, str]:
    """Make the environment for a session's processes: this one's, but for ROS's traffic.

    Args:
        domain: The ROS domain.

    Raises:
        SettingsError: The domain is none, or the Fast DDS profile is not there.

    """
    if not 0 <= domain <= _MAX_DOMAIN:
        raise SettingsError(f'domain: {domain} is refused; use 0 to {_MAX_DOMAIN}')
    profile = str(fastdds_profile())
    paths = [str(_ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    return {
        **os.environ,
        'ROS_DOMAIN_ID': str(domain),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,  # Humble and Jazzy read this one,
        'FASTDDS_DEFAULT_PROFILES_FILE': profile,  # Kilted and later this
        'PYTHONPATH': os.pathsep.join(paths),  # they find the packages where this process did
        'PYTHONUNBUFFERED': '1',
    }


def fastdds_profile() -> Path:
    """Find the profile in the checkout, or where it was installed.

    Raises:
        SettingsError: It is in neither.

    """
    for folder in config_folders():
        if (profile := folder / 'fastdds.xml').is_file():
            return profile
    raise SettingsError('config/fastdds.xml: not found; install the package anew')
