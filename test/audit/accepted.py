# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the audit lets pass, and why: licences, packages with another one, vulnerabilities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

# The licences, by their SPDX name, that every pinned package may have.
LICENCES = frozenset(
    {
        *('0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'CC0-1.0', 'ISC', 'MIT'),
        *('MIT-CMU', 'MPL-2.0', 'PSF-2.0', 'Zlib'),
    }
)

# How else a package's metadata names them. `BSD` does not say which; both are allowed.
SPELLINGS = {
    '3-Clause BSD License': 'BSD-3-Clause',
    'Apache 2.0': 'Apache-2.0',
    'Apache License 2.0': 'Apache-2.0',
    'Apache License, Version 2.0': 'Apache-2.0',
    'Apache Software License': 'Apache-2.0',
    'BSD': 'BSD-3-Clause',
    'BSD License': 'BSD-3-Clause',
    'ISC License (ISCL)': 'ISC',
    'MIT License': 'MIT',
    'Mozilla Public License 2.0 (MPL 2.0)': 'MPL-2.0',
    'Python Software Foundation License': 'PSF-2.0',
    'zlib License': 'Zlib',
}

_NVIDIA = (
    "NVIDIA's proprietary licence: its CUDA runtime may be used and passed on with an application. "
    'torch asks for it on Linux; nothing of it is in this repository, and without it torch runs '
    'on the CPU.'
)

# Packages whose metadata names no licence, or one that is not above: what it is, and why it passes.
PACKAGES = {
    'apsw': 'Its LICENSE is that of zlib, or any that the OSI approves, as its metadata says.',
    'atheris': 'Apache-2.0, as its LICENSE says; its metadata names none.',
    'docutils': 'Public domain, BSD-2-Clause and, for an Emacs mode that is not installed, GPL.',
    'embreex': 'Its metadata holds the whole text of BSD-2-Clause.',
    'ros-fastcdr': 'Apache-2.0; its metadata names only the file with the text.',
    'ros-fastrtps': 'Apache-2.0; its metadata names only the file with the text.',
    'setuptools': 'MIT; its metadata names only the file with the text.',
    **dict.fromkeys(
        (
            *('nvidia-cublas-cu12', 'nvidia-cuda-cupti-cu12', 'nvidia-cuda-nvrtc-cu12'),
            *('nvidia-cuda-runtime-cu12', 'nvidia-cudnn-cu12', 'nvidia-cufft-cu12'),
            *('nvidia-cufile-cu12', 'nvidia-curand-cu12', 'nvidia-cusolver-cu12'),
            *('nvidia-cusparse-cu12', 'nvidia-cusparselt-cu12', 'nvidia-nccl-cu12'),
            *('nvidia-nvjitlink-cu12', 'nvidia-nvshmem-cu12', 'nvidia-nvtx-cu12'),
        ),
        _NVIDIA,
    ),
}


@dataclass(frozen=True)
class Ignored:
    """A known vulnerability that does not concern us for now."""

    reason: str
    until: date

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError('an ignored vulnerability needs a reason')


# By identifier, as the audit prints it: 'PYSEC-2026-1': Ignored('why', date(2027, 1, 1)).
VULNERABILITIES: dict[str, Ignored] = {}
