# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Several processes train one model; torchrun starts them, on one machine or on many.

Each process computes the features of its share of the recordings, and the features of all are then
read from the cache. Of each step's batch, each process takes its part of the labelled and of the
unlabelled rows:

- The rows, and all that a model draws for them, are drawn for the whole batch, by each process from
  the same random state; it keeps what is of its rows.
- Means over the batch and batch normalisation are over all rows (``mm_perception.models.sharing``).
- Each process has then the gradient of its part of the loss; their sum is the batch's gradient.

So a model does not depend on how many processes have made it, but for rounding. All that is written
is written by the first process, which is also the only one that speaks.

Whatever climbs can be shared out like this, a backbone that is fine-tuned, too: give its ``Run``
the processes, ``Run(device, ..., ranks=ranks)``. Its objective takes its means by
``mm_perception.models.objective.mean``, as in ``mean(cross_entropy(logits, y, reduction='none'))``;
what it draws has a row for each item as its first dimension; and ``ranks.first`` alone writes.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.distributed.rendezvous import rendezvous
from torch.utils._python_dispatch import TorchDispatchMode

from mm_perception.errors import SettingsError, TrainingError
from mm_perception.models import Objective
from mm_perception.models.sharing import sharing

Item = TypeVar('Item')

# A process waits for the one whose recordings take longest; that one has died, torchrun notices.
_PATIENCE = timedelta(days=30)

_SMALL = 65_536  # numbers of a gradient that does not go by itself: a message costs more than they


@dataclass(frozen=True)
class Ranks:
    """The processes that train together; by default this one alone.

    Attributes:
        rank: This one's number, from 0.
        size: How many there are.

    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes."""
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Give this process's share of items that all have in the same order."""
        return items[self.rank :: self.size]

    def slice(self, rows: int) -> slice:
        """Give this process's part of so many rows: the parts lie side by side."""
        each, more = divmod(rows, self.size)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    @contextmanager
    def aloud(self) -> Iterator[None]:
        """Within the block, log what the first process does not see as well."""
        before = logging.root.manager.disable
        logging.disable(logging.NOTSET)
        try:
            yield
        finally:
            logging.disable(before)

    def anywhere(self, flags: Iterable[bool]) -> list[bool]:
        """Tell which of some flags is set in any process; each asks about as many."""
        if self.size == 1:
            return list(flags)
        counts = self.sum(torch.tensor([int(flag) for flag in flags], dtype=torch.int64))
        return [count > 0 for count in counts.tolist()]

    def from_first(self, number: int) -> int:
        """Give all processes the first one's whole number."""
        return int(self.sum(torch.tensor(number if self.first else 0)).item())

    def sum(self, values: Tensor) -> Tensor:
        """Sum a tensor over the processes, in place."""
        if self.size > 1:
            with _while_all_live():
                dist.all_reduce(values)
        return values

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Add up what each process's part of the loss asks of the parameters."""
        if self.size == 1:
            return
        gradients = [each.grad for each in parameters if each.grad is not None]
        small = [each for each in gradients if each.numel() < _SMALL]
        joined = [torch.cat([each.flatten() for each in small])] if small else []
        messages = [*joined, *(each for each in gradients if each.numel() >= _SMALL)]
        with _while_all_live():
            for begun in [dist.all_reduce(each, async_op=True) for each in messages]:
                begun.wait()
        for whole in joined:
            parts = whole.split([each.numel() for each in small])  # type: ignore[no-untyped-call]  # torch's own
            for each, part in zip(small, parts, strict=True):
                each.copy_(part.view_as(each))

    def agree(self, *numbers: int) -> bool:
        """Whether all processes have given the same whole numbers, below 2⁴⁸."""
        own = torch.tensor(numbers, dtype=torch.int64)
        return not any(self.anywhere((self.sum(own.clone()) != own * self.size).tolist()))

    def shared(
        self, objective: Callable[..., Objective], labelled: int, unlabelled: int
    ) -> Callable[..., Objective]:
        """Make an objective that is given this process's part of each batch.

        Args:
            objective: Of a whole batch.
            labelled: The whole batch's labelled rows.
            unlabelled: Its unlabelled rows.

        Raises:
            TrainingError: A process would get none of them.

        """
        if self.size == 1:
            return objective
        for count, kind in ((labelled, 'labelled'), (unlabelled, 'unlabelled')):
            if 0 < count < self.size:
                raise TrainingError(
                    f'{count} {kind} frames a step: they cannot be shared out among {self.size} '
                    'processes; start fewer'
                )

        def of_part(*batch: Any) -> Objective:
            with sharing(self.total), _DrawnForAll(self, labelled, unlabelled):
                return objective(*batch)

        return of_part

    def total(self, values: Tensor) -> Tensor:
        """Sum over the processes, through which gradients go back."""
        whole: Tensor = _Total.apply(self, values)  # type: ignore[no-untyped-call]  # torch's own
        return whole

    def device(self, device: torch.device) -> torch.device:
        """Choose this process's own GPU, where there are to be GPUs.

        Raises:
            SettingsError: There are fewer than processes on this machine.

        """
        if device.type != 'cuda' or self.size == 1:
            return device
        local, there = int(os.environ['LOCAL_RANK']), torch.cuda.device_count()
        if local >= there:
            raise SettingsError(
                f'--device cuda: {there} GPUs here for {local_size()} processes; give torchrun '
                f'--nproc-per-node {there}'
            )
        torch.cuda.set_device(local)
        return torch.device('cuda', local)


ALONE = Ranks()


def join() -> Ranks:
    """Meet the other processes, where torchrun has started this one.

    Raises:
        TrainingError: They cannot be reached.

    """
    if not started_by_torchrun():
        return ALONE
    try:
        store, rank, size = next(rendezvous('env://'))
        if size > 1:
            # torchrun's store still has the addresses of processes that it has started before.
            attempt = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')
            store = dist.distributed_c10d.PrefixStore(attempt, store)
            backend = 'cpu:gloo,cuda:nccl' if torch.cuda.is_available() else 'gloo'
            with _without_gloos_greeting():
                dist.init_process_group(
                    backend, store=store, rank=rank, world_size=size, timeout=_PATIENCE
                )
    except (RuntimeError, ValueError, KeyError) as error:
        raise TrainingError(f'torchrun: the processes do not find each other: {error}') from error
    if rank:
        logging.disable(logging.WARNING)
    return Ranks(rank, size)


def started_by_torchrun() -> bool:
    """Whether torchrun has started this process."""
    return 'TORCHELASTIC_RUN_ID' in os.environ


def started_again() -> bool:
    """Whether torchrun, or Slurm, has started this for another time, after something died."""
    counts = (os.environ.get(f'{who}_RESTART_COUNT', '0') for who in ('TORCHELASTIC', 'SLURM'))
    return any(count.isdecimal() and int(count) for count in counts)


def local_size() -> int:
    """How many processes train on this machine."""
    return int(os.environ.get('LOCAL_WORLD_SIZE', '1')) if started_by_torchrun() else 1


def is_first_to_tell() -> bool:
    """Whether this process is the one to tell what ended all of them."""
    if not dist.is_initialized():
        return int(os.environ.get('RANK', '0')) == 0 or not started_by_torchrun()
    try:
        told: int = dist.distributed_c10d._get_default_store().add('told', 1)  # noqa: SLF001 - there is no other way to it
    except RuntimeError:  # torchrun has gone itself
        return int(os.environ['RANK']) == 0
    return told == 1


@contextmanager
def _without_gloos_greeting() -> Iterator[None]:
    """Keep to oneself what gloo writes to the standard output in every process."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _while_all_live() -> Iterator[None]:
    """Say in plain words that another process has gone."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            'another process of this training has ended; torchrun starts all again where '
            '--max-restarts allows it, and else --resume goes on'
        ) from error


class _Total(torch.autograd.Function):
    """The sum over the processes. Each one's loss depends on it: gradients are summed, too."""

    @staticmethod
    def forward(ctx: FunctionCtx, ranks: Ranks, values: Tensor) -> Tensor:
        """Sum."""
        ctx.ranks = ranks  # type: ignore[attr-defined]  # torch's way to keep something
        return ranks.sum(values.detach().clone())

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[None, Tensor]:
        """Sum the gradients."""
        [gradient] = gradients
        return None, ctx.ranks.sum(gradient.clone())  # type: ignore[attr-defined]  # likewise


class _DrawnForAll(TorchDispatchMode):
    """Draws random numbers for the whole batch, and keeps those of this process's rows."""

    def __init__(self, ranks: Ranks, labelled: int, unlabelled: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self._whole = labelled, unlabelled
        self._parts = [torch.arange(rows)[ranks.slice(rows)] for rows in self._whole]
        self._known: dict[tuple[int, torch.device], tuple[int, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute one operation."""
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        if func is torch.ops.aten.native_dropout.default:
            return self._dropout(*args)
        if isinstance(args[0], Tensor):
            rows, place = self._of_all(len(args[0]), args[0].device)
            drawn = func(args[0].new_empty(rows, *args[0].shape[1:]), *args[1:], **kwargs)
            return args[0].copy_(drawn[place])
        (own, *others), *rest = args
        rows, place = self._of_all(own, torch.device(kwargs.get('device') or 'cpu'))
        return func([rows, *others], *rest, **kwargs)[place]

    def _dropout(self, inputs: Tensor, rate: float, train: bool) -> tuple[Tensor, Tensor]:
        rows, place = self._of_all(len(inputs), inputs.device)
        whole = inputs.new_ones(rows, *inputs.shape[1:])
        scale, mask = torch.ops.aten.native_dropout.default(whole, rate, train)
        return inputs * scale[place], mask[place]

    def _of_all(self, own: int, device: torch.device) -> tuple[int, Tensor]:
        """Say of how many rows these are a part in the whole batch, and which.

        Rows are those of the unlabelled items; or those of the labelled items and then those of
        the unlabelled ones, once, or once a class.
        """
        if (own, device) not in self._known:
            (N, M), (labelled, unlabelled) = self._whole, self._parts
            rounds, odd = divmod(own - len(labelled), len(unlabelled) or 1)
            if own == len(unlabelled):
                found = M, unlabelled
            elif odd or rounds < 0 or (rounds and not M):
                raise RuntimeError(f'{own} random rows: not those of the items of a batch')
            else:
                tried = [N + number * M + unlabelled for number in range(rounds)]
                found = N + rounds * M, torch.cat([labelled, *tried])
            self._known[own, device] = found[0], found[1].to(device)
        return self._known[own, device]
