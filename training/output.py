# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The folder that a session leaves its work in, and where in its course the session is there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import yaml

from mm_perception.errors import SettingsError, TrainingError
from training.durable import replacing
from training.fitting.distributed import ALONE, Ranks
from training.recipe import Recipe

BUNDLE, CHECKPOINT, RECIPE = 'bundle', 'checkpoint.safetensors', 'recipe.yaml'


class Stand(Enum):
    """How far a session has come; its value is what to say of it."""

    BEGINNING = 'from the beginning'
    NOTHING_YET = 'nothing to go on with yet: from the beginning, with the features that are kept'
    STOPPED = 'goes on where it was stopped'
    FINISHED = (
        'finished already: nothing is left to do; with other recordings or labels than then, '
        'give --overwrite'
    )


@dataclass(frozen=True)
class Output:
    """A session's folder.

    Attributes:
        folder: Where it is.
        resume: Whether to go on with what was begun there.
        overwrite: Whether what an earlier session left there may be replaced.
        ranks: The processes of the session; the first one looks and writes for all.

    """

    folder: Path
    resume: bool
    overwrite: bool
    ranks: Ranks = ALONE

    @property
    def bundle(self) -> Path:
        """The bundle's folder."""
        return self.folder / BUNDLE

    @property
    def checkpoint(self) -> Path:
        """The state of a fit that is not through; there until all is written."""
        return self.folder / CHECKPOINT

    @property
    def recipe(self) -> Path:
        """The recipe that the bundle was made with."""
        return self.folder / RECIPE

    @property
    def report(self) -> Path:
        """The page that tells of it all."""
        return self.folder / 'report.html'

    @contextmanager
    def claimed(self, recipe: Recipe) -> Iterator[Stand]:
        """Have the folder for oneself, and see how far a session has come in it.

        Args:
            recipe: The session's.

        Raises:
            SettingsError: It cannot be made, another session is at work there, or it holds an
                earlier one's work.

        """
        stands = list(Stand)
        if not self.ranks.first:
            yield stands[self.ranks.from_first(0)]
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            raise SettingsError(f'{self.folder}: cannot be made: {error.strerror}') from error
        try:
            _lock(self.folder, descriptor)
            self._tidy()
            yield stands[self.ranks.from_first(stands.index(self._stand(recipe)))]
        finally:
            os.close(descriptor)

    def write_recipe(self, recipe: Recipe) -> str:
        """Leave the recipe beside the bundle, and give its text.

        Raises:
            TrainingError: It cannot be written.

        """
        try:
            with replacing(self.recipe) as partial:
                partial.write_text(_text(recipe), encoding='utf-8')
        except OSError as error:
            raise TrainingError(f'{self.recipe}: cannot be written: {error.strerror}') from error
        return _text(recipe)

    def _stand(self, recipe: Recipe) -> Stand:
        if self.checkpoint.exists():
            # Beside it, a bundle is of the same session, or one that this session may replace.
            if self.resume:
                return Stand.STOPPED
            if not self.overwrite:
                raise SettingsError(
                    f'{self.checkpoint}: a session was stopped here; give --resume to go on with '
                    'it, or --overwrite to start anew'
                )
        elif self.bundle.exists() and not self.overwrite:
            if self.resume and _read(self.recipe) == _text(recipe):
                return Stand.FINISHED
            raise SettingsError(
                f'{self.bundle}: exists; choose another --output, or give --overwrite to replace it'
            )
        return Stand.NOTHING_YET if self.resume else Stand.BEGINNING

    def _tidy(self) -> None:
        """Remove what a session left that was killed while it wrote a checkpoint or its bundle."""
        for left in self.folder.glob('.tmp??????'):  # safetensors' own
            if left.is_file():
                left.unlink()
        for left in self.folder.glob(f'.{BUNDLE}.*'):
            if left.suffix == '.old' and not self.bundle.exists():
                left.rename(self.bundle)  # it was killed between taking it away and the new one
            else:
                shutil.rmtree(left, ignore_errors=True)


def _lock(folder: Path, descriptor: int) -> None:
    """Lock a folder; the kernel frees it when the process ends, however it does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingsError(
            f'{folder}: another session is at work here; wait for it, or choose another --output'
        ) from None
    except OSError:
        return  # a file system without locks


def _text(recipe: Recipe) -> str:
    return yaml.safe_dump(recipe.model_dump(mode='json'), sort_keys=False)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError):
        return None
