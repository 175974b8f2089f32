# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The fuzz targets, a module each.

A module's docstring is its promise. ``target(data)`` keeps it for any bytes or raises; ``seeds()``
are inputs that real code wrote, for mutation to start from.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence


class Target(Protocol):
    """What each of the modules is."""

    @staticmethod
    def target(data: bytes) -> None:
        """Keep the promise, or raise."""

    @staticmethod
    def seeds() -> Sequence[bytes]:
        """Give inputs that are as they should be, and hand-made ones that are not."""


NAMES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def load(name: str) -> Target:
    """Import a target; only then, so that a campaign can instrument what it imports."""
    return cast('Target', import_module(f'{__name__}.{name}'))
