# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A session's processes talk to each other and to nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_perception.errors import SettingsError
from training.live.environment import fastdds_profile, live_environment, private_domain


def test_environment_stays_on_this_machine_and_uses_the_profile() -> None:
    environment = live_environment(42)
    assert environment['ROS_DOMAIN_ID'] == '42'
    assert environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    profile = Path(environment['FASTRTPS_DEFAULT_PROFILES_FILE'])
    assert profile == Path(environment['FASTDDS_DEFAULT_PROFILES_FILE']) == fastdds_profile()
    assert '<segment_size>67108864</segment_size>' in profile.read_text()


@pytest.mark.parametrize('domain', [-1, 102])
def test_domain_whose_ports_are_not_free_is_refused(domain: int) -> None:
    with pytest.raises(SettingsError, match=f'domain: {domain} is refused; use 0 to 101'):
        live_environment(domain)


def test_private_domain_is_one_that_is_allowed() -> None:
    assert live_environment(private_domain())
