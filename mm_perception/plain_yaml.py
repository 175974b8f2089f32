# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""YAML as settings need it, from files that anybody may have written.

``yaml.safe_load`` builds no objects, but a kilobyte can still hold ten of ten of ten … of a list,
or a list of itself, and a malformed number, date or character comes out as an error of any kind.
Settings have no anchors and a size that a person would write; here there is one kind of error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

MOST = 1 << 17
"""Bytes of the largest text that is read: real ones have thousands."""

_DEEPEST = 30  # levels: settings have five
_DIGITS = 32  # of a number; 64 bits have 20, and a few more are clearer than a crash


def load(path: Path) -> Any:
    """Read a file.

    Raises:
        OSError: It cannot be read.
        YAMLError: It is not UTF-8, or as ``parse``.

    """
    with path.open('rb') as file:
        content = file.read(MOST + 1)
    try:
        return parse(content.decode('utf-8'))
    except UnicodeDecodeError as error:
        raise yaml.YAMLError('not UTF-8') from error


def parse(text: str) -> Any:
    """Read a text.

    Returns:
        Dicts, lists, texts, numbers, dates, True, False and None.

    Raises:
        YAMLError: It is not YAML, is too large or too deep, or has anchors.

    """
    if len(text) > MOST:
        raise yaml.YAMLError(f'longer than {MOST} characters')
    try:
        return yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader that takes less
    # What is wrong with a number, date or character, PyYAML lets through as Python says it.
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise yaml.YAMLError(f'a value that cannot be read: {error}') from error


class _PlainLoader(yaml.SafeLoader):
    """Takes no anchors, no depth without end, and no endless numbers."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # its stub
        if getattr(event, 'anchor', None) is not None:
            raise yaml.YAMLError(f'anchors (&, *) are not read: {event.start_mark}; write it out')
        if self._depth == _DEEPEST:
            raise yaml.YAMLError(f'nested deeper than {_DEEPEST} levels')
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        if len(node.value) > _DIGITS:
            raise yaml.YAMLError(f'a number of {len(node.value)} digits:{node.start_mark}')
        whole = node.tag.endswith(':int')
        return (self.construct_yaml_int if whole else self.construct_yaml_float)(node)


for _kind in ('int', 'float'):
    _PlainLoader.add_constructor(f'tag:yaml.org,2002:{_kind}', _PlainLoader.construct_number)
