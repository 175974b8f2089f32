# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import bz2
import sys
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.rosbag1 import reader as rosbag1
from rosbags.rosbag2 import storage_mcap

from training.recordings import unpacking
from training.recordings.unpacking import unbz2, unzstd

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

PAIRS = [(zstd.compress, unzstd), (bz2.compress, unbz2)]


@pytest.mark.parametrize(('pack', 'unpack'), PAIRS)
@given(data=st.binary())
def test_what_was_packed_comes_back(
    pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes], data: bytes
) -> None:
    assert unpack(pack(data)) == data


@pytest.mark.parametrize(('pack', 'unpack'), PAIRS)
def test_what_is_cut_off_or_too_large_is_refused(
    pack: Callable[[bytes], bytes],
    unpack: Callable[[bytes], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packed = pack(bytes(5_000_000))
    with pytest.raises(ValueError, match='cut off'):
        unpack(packed[:-10])
    monkeypatch.setattr(unpacking, 'MOST', 1_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match='unpacks to over 1000000 B'):
            unpack(packed)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_rosbags_unpacks_with_these() -> None:
    assert storage_mcap.DECOMPRESSORS['zstd'](zstd.compress(b'a'), 1) == b'a'
    with pytest.raises(ValueError, match='cut off'):
        storage_mcap.DECOMPRESSORS['zstd'](zstd.compress(b'a')[:-1], 1)
    assert rosbag1.decompressors['bz2'] is unbz2
