# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed parts of a recording, unpacked up to the size that a real one has.

A few hundred bytes can be packed so that they unpack to gigabytes, and rosbags unpacks whatever it
is given: its decompressors are exchanged for these.
"""

from __future__ import annotations

import bz2
import sys
from typing import Any

from rosbags.rosbag1 import reader as rosbag1
from rosbags.rosbag2 import storage_mcap

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MOST = 1 << 28
"""Bytes of one message or chunk: the largest picture has half of that, and chunks have less."""


def unzstd(packed: bytes) -> bytes:
    """Unpack zstd.

    Raises:
        ValueError: It is cut off, or more than `MOST`.

    """
    return _unpacked(zstd.ZstdDecompressor(), packed)


def unbz2(packed: bytes) -> bytes:
    """Unpack bzip2; raises as ``unzstd``."""
    return _unpacked(bz2.BZ2Decompressor(), packed)


def _unpacked(decompressor: Any, packed: bytes) -> bytes:
    unpacked: bytes = decompressor.decompress(packed, max_length=MOST)
    if not decompressor.eof:
        whole = decompressor.needs_input
        raise ValueError('compressed data is cut off' if whole else f'it unpacks to over {MOST} B')
    return unpacked


# LZ4 grows by 255 at the most, and is left as it is.
storage_mcap.DECOMPRESSORS['zstd'] = lambda packed, _: unzstd(packed)
rosbag1.decompressors['bz2'] = unbz2
