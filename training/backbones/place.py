# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Where a session's backbones learn, and who hears of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import torch
from rich.console import Console

from mm_perception.errors import SettingsError
from mm_perception.observation import Modality
from training.fitting.climb import Progress, Run
from training.fitting.distributed import Ranks
from training.interrupt import stoppable
from training.progress import progress_bars


class Place(Protocol):
    """Where it is done: a session's setting."""

    @property
    def backbone_weights(self) -> Path | None:
        """The backbones' weights file; None takes ImageNet's from the torch cache."""

    @property
    def learned(self) -> Mapping[Modality, Path]:
        """Backbones' weights that the session made of those before, by modality."""

    @property
    def cache(self) -> Path:
        """The folder that keeps features; backbones that learned are put beside it."""

    @property
    def device(self) -> torch.device:
        """Where to compute."""

    @property
    def ranks(self) -> Ranks:
        """The processes that train together."""

    @property
    def console(self) -> Console:
        """Where it speaks."""


def refuse_company(what: str, place: Place) -> None:
    """Refuse several processes to do what one does.

    Raises:
        SettingsError: There are several.

    """
    if place.ranks.size > 1:
        raise SettingsError(
            f'{what}: is done by one process; train with one, or give the weights that one made'
        )


@contextmanager
def running(title: str, place: Place) -> Iterator[Run]:
    """Show a training's progress, and let Ctrl-C stop it."""
    with progress_bars(place.console) as bars, stoppable() as stopping:
        task = bars.add_task(title, total=None)

        def report(progress: Progress) -> None:
            bars.update(task, total=progress.total, completed=progress.done)

        yield Run(place.device, report=report, stopping=stopping)
