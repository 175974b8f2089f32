# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One run of ``train label``: recordings → features → groups → the page, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import uvicorn
from numpy.typing import NDArray
from rich.console import Console

from mm_perception.bundle import Bundle
from mm_perception.errors import BundleError, SettingsError, TrainingError
from mm_perception.pipeline import Pipeline
from training.backbones.weights import without_pickle
from training.features.dataset import Extractor
from training.labelling.book import Book
from training.labelling.desk import Desk
from training.labelling.fitting import Fitting
from training.labelling.frames import Take, joined
from training.labelling.server import HOSTS, Server
from training.material import LABELS_FILE
from training.output import BUNDLE, RECIPE
from training.progress import progress_bars
from training.recipe import Recipe, read_recipe
from training.recordings.bags import Recording, find_recordings
from training.recordings.sources import BagSource
from training.session import Setting, load_pipeline

FEW_LABELS = Path('few_clicks')
"""The recipe where none is named."""


@dataclass(frozen=True)
class Options:
    """What was asked for; but for ``bundle`` and ``groups`` the options of ``train fit``."""

    bags: tuple[Path, ...]
    labels: Path | None
    bundle: Path | None
    output: Path
    groups: int | None
    recipe: Path | None
    changes: tuple[str, ...]
    weights: Path | None
    rgb_topic: str | None
    depth_topic: str | None
    device: torch.device
    cache: Path

    @property
    def label_file(self) -> Path:
        """Where the labels go.

        Raises:
            SettingsError: It cannot be told.

        """
        if self.labels is not None:
            return self.labels
        if len(self.bags) == 1 and self.bags[0].is_dir():
            return self.bags[0] / LABELS_FILE
        raise SettingsError('--labels FILE: is needed unless the recordings are one folder')

    @property
    def first_bundle(self) -> Path | None:
        """The model to begin with, if there is one."""
        made = self.output / BUNDLE
        return self.bundle or (made if made.exists() else None)

    def fit_command(self, recipe: Path) -> list[str]:
        """The words of the ``train fit`` that learns from the same frames."""
        words = ['fit', *map(str, self.bags), '--labels', str(self.label_file), '--overwrite']
        words += ['--output', str(self.output), '--cache', str(self.cache)]
        words += ['--recipe', str(recipe), '--device', self.device.type]
        for change in self.changes:
            words += ['--set', change]
        given = {
            '--backbone-weights': self.weights,
            '--rgb-topic': self.rgb_topic,
            '--depth-topic': self.depth_topic,
        }
        for name, value in given.items():
            words += [] if value is None else [name, str(value)]
        return words


def sit(options: Options, port: int, *, browser: bool, console: Console) -> None:
    """Serve the page until Ctrl-C.

    Raises:
        MMPerceptionError: Whatever is wrong with the input.

    """
    with _listen(port) as listening:
        recordings = find_recordings(options.bags)
        book = Book(options.label_file, recordings)
        _refuse_a_fixed_file(book.path)
        chosen = _recipe_beside_the_bundle(options)
        recipe = read_recipe(chosen, options.changes)
        weights = options.weights and without_pickle(
            options.weights, options.cache.parent / 'weights'
        )
        setting = Setting(options.output, options.device, options.cache, weights, console=console)
        pipeline = load_pipeline(recipe.pipeline, weights, setting)
        takes, features, empty = _frames(recordings, options, recipe, pipeline, console)
        with console.status('grouping what looks alike'):
            desk = Desk(takes, features, book, options.device, options.groups)
            _look_with_the_first_model(desk, options, pipeline, console)
        fitting = Fitting(
            options.fit_command(chosen),
            lambda: desk.look_with(Bundle.load(options.output / BUNDLE)),
        )
        notes = {'labels_file': str(book.path), 'empty': empty}
        server = Server(desk, fitting, options.output, notes)
        try:
            _serve(server, listening, browser=browser, console=console)
        finally:
            fitting.stop()
            console.print(f'labels: {book.path}', soft_wrap=True)


def _listen(port: int) -> socket.socket:
    """Take the port before anything that takes time."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOSTS[0], port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f'--port {port}: cannot be had on {HOSTS[0]}: {error.strerror}; '
            'give another, or 0 for any'
        ) from error
    return listening


def _serve(server: Server, listening: socket.socket, *, browser: bool, console: Console) -> None:
    address = f'http://{HOSTS[0]}:{listening.getsockname()[1]}/'
    console.print(f'labelling at {address} (Ctrl-C ends it)', soft_wrap=True)
    if browser and not _open(address):
        console.print('no browser could be opened here: open the address in one of this machine')
    config = uvicorn.Config(
        server.application(), log_level='warning', ws='none', timeout_graceful_shutdown=3
    )
    with suppress(KeyboardInterrupt):  # the usual end
        uvicorn.Server(config).run(sockets=[listening])


def _open(address: str) -> bool:
    """Open the user's browser, unless it would be one that takes the terminal over."""
    seen = sys.platform in {'darwin', 'win32'} or any(
        os.environ.get(name) for name in ('DISPLAY', 'WAYLAND_DISPLAY')
    )
    return seen and webbrowser.open(address)


def _refuse_a_fixed_file(path: Path) -> None:
    """Say at once that labels could not be kept."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise SettingsError(f'--labels {path}: there is no folder {folder}; make it')
    if not os.access(folder, os.W_OK):
        raise SettingsError(f'--labels {path}: {folder} cannot be written to; name another file')


def _recipe_beside_the_bundle(options: Options) -> Path:
    """Take the recipe that made the model to begin with, unless another is named."""
    if options.recipe is not None:
        return options.recipe
    bundle = options.first_bundle
    beside = None if bundle is None else bundle.parent / RECIPE
    return beside if beside is not None and beside.is_file() else FEW_LABELS


def _frames(
    recordings: list[Recording],
    options: Options,
    recipe: Recipe,
    pipeline: Pipeline,
    console: Console,
) -> tuple[list[Take], dict[str, NDArray[np.float32]], list[str]]:
    """Give the recordings' frames, their features, and the names of recordings without any.

    They are computed as by ``train fit``, and kept in the same cache.
    """
    sources = [BagSource(r, options.rgb_topic, options.depth_topic) for r in recordings]
    with progress_bars(console) as progress:
        task = progress.add_task('features', total=None)
        extractor = Extractor(
            pipeline, options.cache, recipe.every, lambda done: progress.advance(task, done)
        )
        rows = extractor(sources)
    durations = {recording.name: recording.duration for recording in recordings}
    there = [each for each in rows if len(each)]
    if not there:
        raise TrainingError(
            f'{options.bags[0]}: not one observation with both RGB and depth in it; '
            'nothing can be labelled'
        )
    takes = [Take.of(each, durations[each.recording]) for each in there]
    return takes, joined(there), [each.recording for each in rows if not len(each)]


def _look_with_the_first_model(
    desk: Desk, options: Options, pipeline: Pipeline, console: Console
) -> None:
    path = options.first_bundle
    if path is None:
        return
    try:
        bundle = Bundle.load(path)
    except BundleError as error:
        if options.bundle is not None:
            raise
        console.print(f'{error}; labelling goes on without it', soft_wrap=True)
        return
    if bundle.manifest.pipeline == pipeline.pinned:
        desk.look_with(bundle)
    elif options.bundle is not None:
        raise SettingsError(
            f'--bundle {path}: was made with another pipeline than the recipe and the backbone '
            'options give; name those that it was made with'
        )
    else:
        console.print(f'{path}: made with another pipeline; Train would replace it')
