# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a process keeps of the memory that it has freed."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGEST = 32 << 20  # bytes; glibc takes no more
_KEPT = 128 << 20


def keep_freed_memory() -> None:
    """Let glibc keep what an image or a network's layer has freed, for the next one.

    By default it gives every piece over 128 KB back to the kernel at once, which has to hand it out
    again, page by page and zeroed, 30 times a second: half of what taking a VGA image costs.
    """
    with suppress(OSError, AttributeError):  # another C library has its own ways
        libc = ctypes.CDLL('libc.so.6')
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def give_back_memory() -> None:
    """Give the kernel what reading weights has left behind, and let the collector forget the rest.

    A process with torch and a model in it has 300,000 objects. To look through them takes the
    collector a sixth of a second, in which no thread runs and no label is made; it does so whenever
    enough new ones have outlived it. What is there now stays, so it is looked at now, and not again
    before the next model.
    """
    gc.unfreeze()
    gc.collect()  # a traced network is full of cycles
    gc.freeze()
    with suppress(OSError, AttributeError):
        ctypes.CDLL('libc.so.6').malloc_trim(0)
