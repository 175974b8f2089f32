# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any metadata.yaml beside a sound bag is heeded, disregarded, or refused in one line."""

from __future__ import annotations

from fuzz.bags import recorded
from fuzz.promises import attempt
from fuzz.scratch import folder
from fuzz.yaml_seeds import BOMBS

from training.recordings.finding import locate

LIST = b'rosbag2_bagfile_information:\n  relative_file_paths: '


def target(data: bytes) -> None:
    bag = folder() / 'with_metadata'
    if not bag.exists():
        bag.mkdir()
        (bag / 'bag_0.mcap').write_bytes(recorded('mcap'))
    (bag / 'metadata.yaml').write_bytes(data)
    found = attempt(lambda: list(locate(bag)))
    assert found is None or [place.files for place in found] == [(bag / 'bag_0.mcap',)]


def seeds() -> list[bytes]:
    lists = (b'[bag_0.mcap]', b'["bag_0.mcap", "bag\\n1.mcap"]', b'bag_0.mcap', b'{a: b}', *BOMBS)
    return [*(LIST + value for value in lists), *BOMBS]
