# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Any bytes are a label file, or are refused with the line at fault.

What was taken names real bags, words that can be printed, and one label for one moment.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from fuzz.promises import attempt
from fuzz.scratch import written

from mm_perception.health import NS
from mm_perception.observation import UNKNOWN
from training.recordings.bags import Recording
from training.recordings.labels import Labels, from_csv

BAGS = [
    Recording(name, Path('/bags', name), Path('/bags'), (), 0, 100 * NS, {})
    for name in ('mug_1', 'bowl_1', 'a/run', 'b/run')
]


def target(data: bytes) -> None:
    path = written('labels.csv', data)
    labels = attempt(lambda: from_csv(path, BAGS))
    if labels is not None:
        check(labels)


def check(labels: Labels) -> None:
    """Demand labels that a robot can say, in order and without overlap."""
    assert set(labels.spans) <= {bag.name for bag in BAGS}
    for label in labels.classes:
        assert label.strip() == label != ''
        assert label.isprintable()
        assert label.casefold() != UNKNOWN
    for spans in labels.spans.values():
        for span in spans:
            assert 0 <= span.start <= span.end <= 101 * NS
        for one, other in itertools.pairwise(spans):
            assert one.end <= other.start


def seeds() -> list[bytes]:
    return [
        b'bag,start,end,label\nmug_1,0,14.5,mug\nbowl_1,30.0,31.0,bowl\n',
        b'\xef\xbb\xbfnotes,label,end,start,bag\r\nx,"a mug, blue",2,1,a/run\r\n,,,,\r\n',
        b'bag,start,end,label\nmug_1,0,1,mug\nmug_1,1,2,can\nmug_1,1.5,2,can\n',
        b'bag,start,end,label\nmug_1,1e-9,1_0,\xc2\xa0mug\n',
        b'bag,start,end,label\n"' + b'x' * 9_000 + b'",0,1,mug\n',
        b'bag,start,end,label\n' + b'x' * 4_000 + b',0,1,mug\n',
    ]
