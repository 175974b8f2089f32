# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A trained classifier as a folder of data: ``manifest.yaml``, ``weights.safetensors``.

A backbone that was trained with a weights file has a copy of it in the folder; one that was
quantized has its network in int8, as OpenVINO keeps it, and frames to check that by. Nothing in a
bundle is ever executed: it is data, checked before use.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from mm_perception.errors import BundleError
from mm_perception.features import sha256_of
from mm_perception.head import Head
from mm_perception.manifest import (
    FRAMES,
    MANIFEST,
    WEIGHTS,
    Manifest,
    brief,
    read_manifest,
    write_manifest,
)
from mm_perception.observation import Modality


@dataclass(frozen=True)
class Bundle:
    """A checked bundle in memory, on the CPU."""

    path: Path
    manifest: Manifest
    head: Head

    @property
    def backbone_weights(self) -> dict[Modality, Path]:
        """The backbones' weights files that came with the bundle."""
        return {m: self.path / name for m, name in self.manifest.backbone_files.items()}

    @property
    def quantized_networks(self) -> dict[Modality, Path]:
        """The int8 networks' files; nothing where there are none."""
        quantized = self.manifest.quantized
        return {m: self.path / name for m, name in quantized.networks.items()} if quantized else {}

    def frames(self) -> dict[Modality, NDArray[np.uint8]] | None:
        """Read the frames to check engines with, [N, size, size, 3]; None where there are none.

        Raises:
            BundleError: They are not what they should be.

        """
        if self.manifest.quantized is None:
            return None
        file, size = self.path / FRAMES, self.manifest.pipeline.preprocessing.size
        try:
            frames = {Modality(name): each.numpy() for name, each in load_file(file).items()}
        except (OSError, SafetensorError, ValueError, TypeError) as error:
            raise BundleError(f'{file}: cannot be read: {brief(error)}') from error
        for modality in self.manifest.pipeline.modalities:
            found = frames.get(modality)
            whole = found is not None and found.size > 0 and found.dtype == np.uint8
            if found is None or not whole or found.shape[1:] != (size, size, 3):
                raise BundleError(f'{file}: holds no frames of {modality}; copy the bundle again')
        return frames

    @classmethod
    def load(cls, path: Path) -> Bundle:
        """Read and check a bundle.

        Raises:
            BundleError: It is missing, damaged, of another format, or contradicts itself.

        """
        manifest = read_manifest(path)
        for name, expected in manifest.files.items():
            file = path / name
            if not file.is_file():
                raise BundleError(f'{file}: missing; copy the whole bundle folder again')
            if _checksum(file) != expected:
                raise BundleError(
                    f'{file}: its SHA-256 is not the one in {MANIFEST}: damaged or replaced; '
                    'copy the bundle again'
                )
        return cls(path, manifest, _load_head(path / WEIGHTS, manifest))


def save_bundle(
    path: Path,
    head: Head,
    manifest: Mapping[str, Any],
    backbones: Mapping[Modality, Path],
    others: Sequence[Path] = (),
) -> Manifest:
    """Write a bundle; another at the same path is replaced only once the new one is complete.

    Args:
        path: The bundle's folder.
        head: What was learned.
        manifest: The manifest's fields, but for the files and their checksums.
        backbones: Weights files to copy into the bundle, by modality.
        others: Further files to copy into it, under their own names.

    Raises:
        BundleError: The folder cannot be written, or holds something that is not a bundle.

    """
    if path.exists() and not _is_replaceable(path):
        raise BundleError(f'{path}: not empty and not a bundle; nothing was written over')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f'.{path.name}.', dir=path.parent))
        try:
            complete = _write(staging, head, manifest, backbones, others)
            _to_disk(staging)
            _swap(staging, path)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise BundleError(f'{path}: cannot be written: {brief(error)}') from error
    return complete


def _is_replaceable(path: Path) -> bool:
    return path.is_dir() and ((path / MANIFEST).is_file() or not any(path.iterdir()))


def _write(
    folder: Path,
    head: Head,
    manifest: Mapping[str, Any],
    backbones: Mapping[Modality, Path],
    others: Sequence[Path],
) -> Manifest:
    folder.chmod(0o755)  # mkdtemp's are private; a bundle is to be copied to the robot
    tensors = {name: tensor.cpu().contiguous() for name, tensor in head.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    copies: dict[Path, str] = {}
    for modality, source in backbones.items():
        if source not in copies:
            copies[source] = f'backbone_{modality}{source.suffix}'
            shutil.copyfile(source, folder / copies[source])
    copies |= {source: shutil.copyfile(source, folder / source.name).name for source in others}
    names = {modality: copies[source] for modality, source in backbones.items()}
    files = {name: sha256_of(folder / name) for name in (WEIGHTS, *copies.values())}
    complete = Manifest.model_validate({**manifest, 'files': files, 'backbone_files': names})
    write_manifest(folder, complete)
    for file in folder.iterdir():
        file.chmod(0o644)  # safetensors writes for its user alone; a robot may run as another
    return complete


def _to_disk(folder: Path) -> None:
    """Have all of a folder where a power cut does not reach it."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _swap(staging: Path, path: Path) -> None:
    """Put the new folder in the old one's place; the old one is gone only after that."""
    old = staging.with_name(staging.name + '.old')
    if path.exists():
        path.rename(old)
    try:
        staging.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
    os.sync()


def _load_head(file: Path, manifest: Manifest) -> Head:
    """Load the weights, after the file's header has been compared with what the model needs."""
    settings, trust = manifest.model, manifest.trust is not None
    try:
        with torch.device('meta'):  # shapes without memory: a manifest can claim any size
            empty = Head(settings, trust=trust)
        expected = {name: tuple(tensor.shape) for name, tensor in empty.state_dict().items()}
        with safe_open(file, framework='pt') as reader:
            found = {name: tuple(reader.get_slice(name).get_shape()) for name in reader.keys()}  # noqa: SIM118 - no mapping
        if differing := sorted(expected.items() ^ found.items()):
            raise BundleError(f'{file}: does not fit its manifest: {differing[0][0]} differs')
        head = Head(settings, trust=trust)
        head.load_state_dict(load_file(file))
    # Sizes that no word of a machine holds, and types that no weight has, are errors of any kind.
    except (OSError, SafetensorError, RuntimeError, ValueError, LookupError, TypeError) as error:
        raise BundleError(f'{file}: cannot be read: {brief(error)}') from error
    if not all(tensor.isfinite().all() for tensor in head.state_dict().values()):
        raise BundleError(f'{file}: holds weights that are no finite numbers; train it again')
    return head.eval().requires_grad_(False)


def _checksum(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        raise BundleError(f'{file}: cannot be read: {brief(error)}') from error
