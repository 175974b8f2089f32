# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What code measured a result, and on what machine."""

from __future__ import annotations

import functools
import platform
import subprocess
from pathlib import Path

import torch

_CHECKOUT = Path(__file__).resolve().parents[2]


def provenance(device: str = 'cpu') -> tuple[str, str]:
    """Tell what code measures on what: (commit, machine), for `Result`.

    The commit is that of the first call: later changes are not what runs. Files of results do not
    count as changes, since every run changes one.
    """
    return _commit(), _machine(device)


@functools.cache
def _commit() -> str:
    """Name the checkout's commit; empty where this file is not under version control."""
    try:
        _git('ls-files', '--error-unmatch', str(Path(__file__).resolve()))
        commit = _git('rev-parse', '--short=12', 'HEAD')
        code = ('mm_perception', 'training', 'config', ':(exclude)*.csv*')
        return commit + ('+' if _git('status', '--porcelain', '--', *code) else '')
    except (OSError, subprocess.CalledProcessError):
        return ''


def _git(*arguments: str) -> str:
    command = ('git', '-C', str(_CHECKOUT), *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - fixed arguments


def _machine(device: str) -> str:
    if torch.device(device).type == 'cuda':
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f'{_processor()}, {threads} thread{"s" * (threads > 1)}'


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(':')[2].strip() for line in lines if line.startswith('model name'))
    return next(names, '') or platform.processor() or platform.machine()
