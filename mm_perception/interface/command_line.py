# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The executable's own argument: ``--cameras front,left`` makes a node for each of them.

They are namespaces. ROS's own rule for a process's namespace, ``-r __ns:=/robot``, would put all
nodes into one; here it is taken as what the cameras' lie in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mm_perception.errors import SettingsError

OPTION = '--cameras'
_NAMESPACE = re.compile(r'(?:[A-Za-z_]\w*:)?__ns:=(.*)', re.ASCII)
_NAME = re.compile(r'/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*', re.ASCII)


@dataclass(frozen=True)
class CommandLine:
    """What the process was started with.

    Attributes:
        namespaces: Of the nodes; an empty one is left to ROS.
        ros: What is left for ROS.

    """

    namespaces: tuple[str, ...]
    ros: tuple[str, ...]

    @classmethod
    def of(cls, arguments: Sequence[str]) -> CommandLine:
        """Take the cameras out of the arguments.

        Raises:
            SettingsError: They are not named as ROS names things, or are not different.

        """
        rest = list(arguments)
        if OPTION not in rest:
            return cls(('',), tuple(rest))
        at = rest.index(OPTION)
        cameras = rest[at + 1].split(',') if at + 1 < len(rest) else []
        del rest[at : at + 2]
        root, rest = _take_namespace(rest)
        names = [camera.strip('/') for camera in cameras]
        if not cameras or not all(map(_NAME.fullmatch, cameras)) or len({*names}) < len(names):
            raise SettingsError(
                f'{OPTION} {",".join(cameras)}: is refused; give each camera a name of its own, '
                'of letters, digits and _, such as front,left'
            )
        return cls(tuple(f'{root}/{name}' for name in names), tuple(rest))


def _take_namespace(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Take the rule for the namespace out; give it without a / at its end, and the rest."""
    root, rest = '', list[str]()
    for argument in arguments:
        rule = _NAMESPACE.fullmatch(argument)
        if rule and rest and rest[-1] in ('-r', '--remap'):
            root = f'/{rule[1].strip("/")}'.rstrip('/')
            rest.pop()
        else:
            rest.append(argument)
    return root, rest
