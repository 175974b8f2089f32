# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import xml.etree.ElementTree as ET  # our own file
from pathlib import Path

import yaml

from mm_perception.interface.parameters import PARAMETERS

CONFIG = Path(__file__).parent.parent / 'config'
FASTDDS = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'
EVERY_LINUX_ALLOWS = 212_992  # net.core.rmem_max where nobody has raised it
VGA_PAIR = 640 * 480 * (3 + 2)  # bytes


def test_the_file_of_parameters_gives_each_its_default() -> None:
    content = yaml.safe_load((CONFIG / 'mm_perception.yaml').read_text())
    # The wildcard makes the file work for a node in any namespace.
    assert list(content) == ['/**']
    values = content['/**']['ros__parameters']
    assert list(values.items()) == [(p.name, p.default) for p in PARAMETERS]
    assert [type(value) for value in values.values()] == [type(p.default) for p in PARAMETERS]


def test_shared_memory_holds_a_seconds_images() -> None:
    segment = descriptor('SHM').find(f'{FASTDDS}segment_size')
    assert segment is not None
    assert int(segment.text or 0) == 64 << 20
    assert 30 * VGA_PAIR < 64 << 20


def test_udp_buffers_are_never_larger_than_a_kernel_allows() -> None:
    for name in ('sendBufferSize', 'receiveBufferSize'):
        size = descriptor('UDPv4').find(f'{FASTDDS}{name}')
        assert size is not None
        assert int(size.text or 0) <= EVERY_LINUX_ALLOWS


def test_both_transports_of_the_profile_are_used_by_default() -> None:
    root = ET.parse(CONFIG / 'fastdds.xml').getroot()  # noqa: S314 - our own file
    participant = root.find(f'{FASTDDS}participant')
    assert participant is not None
    assert participant.get('is_default_profile') == 'true'
    defined = [
        d.findtext(f'{FASTDDS}transport_id') for d in root.iter(f'{FASTDDS}transport_descriptor')
    ]
    used = participant.findall(f'{FASTDDS}rtps/{FASTDDS}userTransports/{FASTDDS}transport_id')
    assert [transport.text for transport in used] == defined
    assert participant.findtext(f'{FASTDDS}rtps/{FASTDDS}useBuiltinTransports') == 'false'


def descriptor(kind: str) -> ET.Element:
    root = ET.parse(CONFIG / 'fastdds.xml').getroot()  # noqa: S314 - our own file
    for one in root.iter(f'{FASTDDS}transport_descriptor'):
        if one.findtext(f'{FASTDDS}type') == kind:
            return one
    raise AssertionError(f'no {kind} transport')
