# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

from outside import NodeProcess
from shared_memory import PLACE, free_abandoned


def segments() -> set[str]:
    return {path.name for path in PLACE.glob('fastrtps_*') if path.stat().st_size > 1 << 25}


def test_memory_of_a_killed_node_is_freed_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    free_abandoned()
    before = segments()
    node = NodeProcess(tmp_path / 'log', '-p', 'autostart:=true', namespace='/brief')
    node.says('configure refused')
    (own,) = segments() - before
    free_abandoned()
    assert own in segments()
    node.kill()
    assert own in segments()
    assert free_abandoned() > 1 << 25
    assert segments() <= before
