# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A fit's log for TensorBoard: losses as they come, and at the end what they led to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mm_perception.errors import SettingsError
from training.evaluation.evaluate import Scores
from training.fitting.climb import Epoch
from training.recipe import Recipe


class Log:
    """A log being written.

    Raises:
        SettingsError: The package ``tensorboard`` is missing, or the folder cannot be written.

    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - it is optional
        except ImportError as error:
            raise SettingsError(
                '--tensorboard: needs the package tensorboard; `python3 -m pip install '
                'tensorboard`, or leave the option out'
            ) from error
        try:
            writer: Any = SummaryWriter  # it has no types
            self._writer = writer(str(folder))
        except OSError as error:
            raise SettingsError(
                f'--tensorboard {folder}: cannot be written: {error.strerror or error}'
            ) from error

    def epoch(self, epoch: Epoch) -> None:
        """Add an epoch's mean losses."""
        for name, value in epoch.losses.items():
            self._writer.add_scalar(f'fit/{name}', value, epoch.epoch)
        self._writer.flush()

    def end(self, recipe: Recipe, scores: dict[str, Scores]) -> None:
        """Add the recipe and the accuracy that it led to."""
        figures = {f'accuracy/{mode}': each.accuracy for mode, each in scores.items()}
        figures |= {f'calibration error/{m}': s.calibration_error for m, s in scores.items()}
        # A run of its own name would be another line in every plot.
        self._writer.add_hparams(_flat(recipe.model_dump(mode='json')), figures, run_name='.')
        self._writer.close()


def _flat(settings: dict[str, Any], before: str = '') -> dict[str, float | str | bool]:
    """Name each setting as ``--set`` does: optimisation.epochs."""
    found: dict[str, float | str | bool] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f'{before}{name}.')
        else:
            plain = isinstance(value, int | float | str | bool)
            found[f'{before}{name}'] = value if plain else str(value)
    return found
