# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""YAML that the package comes with, and YAML that is known to hurt."""

from __future__ import annotations

from pathlib import Path

CONFIG = Path(__file__).parents[2] / 'config'


def shipped(folder: str) -> list[bytes]:
    """Give the files of a folder of ``config/``."""
    return [file.read_bytes() for file in sorted((CONFIG / folder).glob('*.yaml'))]


def _laughs(levels: int = 9, *, merged: bool) -> bytes:
    """Ten of ten of ten …: each level refers to the one below it ten times."""
    lines = ['a0: &a0 {k: v}']
    for n in range(1, levels + 1):
        below = ', '.join([f'*a{n - 1}'] * 10)
        lines += [f'a{n}: &a{n} ' + (f'{{<<: [{below}]}}' if merged else f'[{below}]')]
    return '\n'.join(lines).encode()


BOMBS = (
    _laughs(merged=False),
    _laughs(merged=True),
    b'{model: &a [*a]}',
    b'[' * 1200,
    b'a: ' * 3 + b'{a: ' * 600,
    b'0x' + b'f' * 5000,
    b'1' * 5000,
    b'1:' * 400 + b'1.0',
    b'2001-99-99',
    b'!!float abc',
    b'!!int ""',
    b'!!timestamp abc',
    b'"\\U7fffffff"',
    b'? [a]\n: b',
    b'? {a: b}\n: c',
    b'!!binary "%"',
    b'!!python/object/apply:os.system [id]',
    b'!!set {a, b}',
    b'--- a\n--- b',
    b'\0',
    b'%YAML 9.9\n---\na',
)
