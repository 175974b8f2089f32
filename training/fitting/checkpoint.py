# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A training run's state on disk: tensors and JSON in one safetensors file, written atomically.

A run that is killed loses what it did since the last time; writing it takes a hundredth of a run's
time, or less.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mm_perception.errors import TrainingError
from mm_perception.manifest import brief
from training.durable import replacing

_DAMAGED = (OSError, SafetensorError, KeyError, ValueError, TypeError)
_MOST = 0.01  # of a run's time, for writing its state


@dataclass(frozen=True)
class Position:
    """Where a run is.

    Attributes:
        run: Fingerprint of all that the run depends on: recipe, data, labels.
        epoch: The epoch to go on with.
        step: The step in that epoch to go on with.
        history: The losses' means over each epoch that is over.
        sums: The losses of the epoch's steps so far, added up.
        seconds: How long it has run, in all its processes.

    """

    run: str
    epoch: int = 0
    step: int = 0
    history: Sequence[Mapping[str, float]] = ()
    sums: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0  # of earlier versions' checkpoints, which do not say


def save_checkpoint(
    path: Path, position: Position, head: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write a run's whole state, so that going on from it gives what not stopping had given.

    Raises:
        TrainingError: It cannot be written.

    """
    tensors = {
        f'head.{name}': value.cpu().contiguous() for name, value in head.state_dict().items()
    }
    for index, state in optimizer.state_dict()['state'].items():
        for name, value in state.items():
            tensors[f'optimizer.{index}.{name}'] = torch.as_tensor(value).cpu().contiguous()
    tensors['random.cpu'] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors['random.cuda'] = torch.cuda.get_rng_state()
    before = 'goes on from the one before' if path.is_file() else 'begins this fit anew'
    try:
        with replacing(path) as partial:
            save_file(tensors, partial, {'position': json.dumps(asdict(position))})
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f'{path}: the checkpoint cannot be written: {brief(error)}; make room; a resumed run '
            f'{before}'
        ) from error


class Keeper:
    """Keeps a run's state from time to time."""

    def __init__(
        self, path: Path | None, every: float, head: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        """Begin to count.

        Args:
            path: The checkpoint; None keeps nothing.
            every: Seconds between two times, or more where writing takes long.
            head: What is trained.
            optimizer: By what.

        """
        self._path, self._every = path, every
        self._head, self._optimizer = head, optimizer
        self._next = time.monotonic() + every

    def due(self) -> bool:
        """Whether it is time again."""
        return self._path is not None and time.monotonic() >= self._next

    def keep(self, position: Position) -> None:
        """Write the state down.

        Raises:
            TrainingError: It cannot be written; what was written before is still there.

        """
        if self._path is None:
            return
        began = time.monotonic()
        save_checkpoint(self._path, position, self._head, self._optimizer)
        ended = time.monotonic()
        self._next = ended + max(self._every, (ended - began) / _MOST)


def load_checkpoint(
    path: Path, run: str, head: nn.Module, optimizer: torch.optim.Optimizer
) -> Position:
    """Take a run up where it stopped.

    Raises:
        TrainingError: The checkpoint is damaged, or of another run.

    """
    try:
        position, tensors = _position(path), load_file(path)
    except _DAMAGED as error:
        raise TrainingError(
            f'{path}: not a checkpoint: {error}; delete it to start anew'
        ) from error
    if position.run != run:
        raise TrainingError(
            f'{path}: of a run with other recordings, labels or recipe; give those, '
            'or delete it to start anew'
        )
    head.load_state_dict(_part(tensors, 'head'))
    packed = optimizer.state_dict()
    packed['state'] = {}
    for key, value in _part(tensors, 'optimizer').items():
        index, name = key.split('.')
        packed['state'].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(packed)
    _lay_out_like_parameters(optimizer)
    torch.set_rng_state(tensors['random.cpu'])
    if torch.cuda.is_available() and 'random.cuda' in tensors:
        torch.cuda.set_rng_state(tensors['random.cuda'])
    return position


def seconds_taken(path: Path) -> float:
    """Tell how long a run had taken, in all its processes, when it was written down."""
    return _position(path).seconds


def _position(path: Path) -> Position:
    with safe_open(path, framework='pt') as file:
        return Position(**json.loads((file.metadata() or {})['position']))


def _lay_out_like_parameters(optimizer: torch.optim.Optimizer) -> None:
    """Give moments the strides of their parameters; fused Adam walks both as they lie in memory."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter).copy_(value)


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f'{name}.'
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
