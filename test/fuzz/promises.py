# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the product promises of every input, whatever it is: one way to ask it of any of them.

An input is taken or refused. Refused means one short line of a kind that users can meet; anything
else that comes out is a crash, and so are a hang and a grab for memory.
"""

from __future__ import annotations

import resource
import time
import traceback
import warnings
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from mm_perception.errors import MMPerceptionError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar('T')

ROOM = 256 << 10
"""KiB by which the process may grow over one small input: the largest picture that is decoded."""

LONGEST = 4000
"""Characters of a refusal; real ones have up to some hundred, and file names may be long."""

PATIENCE = 20.0
"""Seconds for one small input, on a machine that is busy with other things."""

said: deque[str] = deque(maxlen=16)
"""Where in the code the last refusals were made: a campaign without coverage goes by them."""


def attempt(action: Callable[[], T]) -> T | None:
    """Do what the product does with an input.

    Returns:
        What it made of it; None when it was refused as promised.

    Raises:
        AssertionError: A promise is broken. Any other error that is no refusal goes through.

    """
    grown, started = _grown(), time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error', RuntimeWarning)  # numbers that are none
            return action()
    except MMPerceptionError as error:
        check_refusal(error)
        said.append(_site(error))
        return None
    finally:
        assert time.monotonic() - started < PATIENCE, 'it hangs'
        assert _grown() - grown < ROOM, 'it takes memory far beyond its size'


def check_refusal(error: MMPerceptionError) -> None:
    """Demand one short line that a terminal can show."""
    message = str(error)
    assert message, 'a refusal without a word'
    assert message.isprintable(), f'not one line: {message[:200]!r}'
    assert len(message) <= LONGEST, f'{len(message)} characters: {message[:200]}'


def _site(error: BaseException) -> str:
    """The line that refused, and the lines of what made it do so."""
    own = traceback.extract_tb(error.__traceback__)[-1]
    behind = error.__cause__
    return f'{own.filename}:{own.lineno}' + (f' < {_site(behind)}' if behind else '')


def _grown() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
