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
    """Give the kernel what reading weights and measuring engines has left behind."""
    gc.collect()  # a traced network is full of cycles
    with suppress(OSError, AttributeError):
        ctypes.CDLL('libc.so.6').malloc_trim(0)
