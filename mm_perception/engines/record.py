# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What was measured on a machine, written down beside the bundle."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from mm_perception import plain_yaml
from mm_perception.engines.candidates import CPU, Candidate, EngineName, processors
from mm_perception.engines.engine import Precision
from mm_perception.features import sha256_of

FOLDER = 'engines'


class Trial(BaseModel):
    """What became of one engine here.

    Attributes:
        engine: ``torch``, ``openvino`` or ``cudagraph``.
        precision: ``float32``, ``bfloat16`` or ``int8``.
        milliseconds: For one image of each modality; the median of several.
        error: Its features' relative error, ‖f − f_ref‖ / ‖f_ref‖.
        usable: Whether that is near enough.

    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    engine: EngineName
    precision: Precision
    milliseconds: float
    error: float
    usable: bool

    def __str__(self) -> str:
        """For the log."""
        not_used = '' if self.usable else '; not used'
        name = f'{self.engine} {self.precision}'
        return f'{name}: {self.milliseconds:.1f} ms, features differ by {self.error:.2%}{not_used}'


def fastest(trials: Iterable[Trial]) -> Trial | None:
    """Give the fastest of those that can be used; None where there is none."""
    usable = (trial for trial in trials if trial.usable)
    return min(usable, key=lambda trial: trial.milliseconds, default=None)


class Machine(BaseModel):
    """All that measurements depend on."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    processor: str
    gpu: str
    processors: int
    versions: dict[str, str]
    bundle: str
    engines: tuple[str, ...]

    @classmethod
    def this(
        cls, bundle: Path, allowed: Sequence[Candidate], device: torch.device = CPU
    ) -> Machine:
        """Describe this machine, with a bundle and the engines that may be used."""
        return cls(
            processor=processor_name(),
            gpu=torch.cuda.get_device_name(device) if device.type == 'cuda' else '',
            processors=processors(),
            versions={name: _version(name) for name in ('torch', 'openvino')},
            bundle=sha256_of(bundle / 'manifest.yaml'),
            engines=tuple(map(str, allowed)),
        )


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra='forbid')

    machine: Machine
    trials: tuple[Trial, ...]


class Record:
    """A machine's measurements of a bundle, in a file in the bundle's folder."""

    def __init__(self, bundle: Path, machine: Machine) -> None:
        """Name the file; another machine, or another version, has another one."""
        self._machine = machine
        digest = hashlib.sha256(machine.model_dump_json().encode()).hexdigest()
        self._file = bundle / FOLDER / f'{digest[:12]}.yaml'

    def read(self) -> tuple[Trial, ...]:
        """Give what was kept; nothing where there is none, or it cannot be read."""
        try:
            with self._file.open(encoding='utf-8') as file:
                content = _Content.model_validate(plain_yaml.parse(file.read(plain_yaml.MOST)))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError):
            return ()
        return content.trials if content.machine == self._machine else ()

    def keep(self, trials: Sequence[Trial]) -> None:
        """Write measurements down, where the bundle can be written to."""
        content = _Content(machine=self._machine, trials=tuple(trials))
        text = yaml.safe_dump(content.model_dump(mode='json'), sort_keys=False)
        partial = self._file.with_name(f'.{self._file.name}.{os.getpid()}')
        with suppress(OSError):
            self._file.parent.mkdir(exist_ok=True)
            partial.write_text(text, encoding='utf-8')
            partial.replace(self._file)


def processor_name() -> str:
    """Name the processor; Python knows no more than its family on Linux."""
    with suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            name, _, value = line.partition(':')
            if name.strip() in ('model name', 'Model', 'Hardware'):
                return value.strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return 'not installed'
