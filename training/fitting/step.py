# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""One step up an objective: its value, its gradient, Adam; compiled where a run is long enough.

``torch.compile`` fuses the many small operations between the matrix products. On a Xeon core
that takes 13 % off a step of SS-HMVAE-kl with the MNIST networks and 5 % off one with the RGB-D
networks, which ``make bench`` measures; it costs 25 to 100 seconds once. On a GPU, where starting
the kernels is most of a small step, it is asked to record them as CUDA graphs, too; that has not
been measured yet.

A compiled step draws the same normal noise as one that is not, and then gives the same but for
rounding; Gumbel noise the compiler draws in a way of its own. A run's first step is never compiled,
nor is the first after an interruption: a compiled run that goes on from its checkpoint is therefore
as good as one that was not stopped, but not the same to the last digit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from mm_perception.models import Objective
from training.fitting.distributed import ALONE, Ranks

Batch: TypeAlias = 'Mapping[str, Tensor] | Tensor'
Compiling: TypeAlias = Literal['auto', 'on', 'off']

LONG = 10_000
"""Steps from which on compiling pays: SS-HMVAE-kl's are then 250 seconds shorter in all, or more.
The choice hangs on the run alone, not on a clock: the same run is computed the same way again."""

_LOGGER = logging.getLogger(__name__)


class TrainingStep:
    """A step of one run, to be called once a batch.

    Only the first batch's shapes are compiled for; a batch of others takes the plain way, so that
    no run compiles again and again.
    """

    def __init__(
        self,
        objective: Callable[..., Objective],
        optimizer: torch.optim.Optimizer,
        compiling: Compiling = 'auto',
        steps: int = 0,
        ranks: Ranks = ALONE,
    ) -> None:
        """Take what to climb, and how.

        Args:
            objective: A model's, of whatever the batches are.
            optimizer: Of the model's parameters.
            compiling: Whether to compile; ``auto`` does where ``steps`` are at least ``LONG``.
            steps: Of the whole run.
            ranks: The processes of which each has a part of every batch; ``auto`` compiles only
                where there is one.

        """
        self._objective = objective
        self._optimizer = optimizer
        self._ranks = ranks
        self._compiled: Callable[..., Objective] | None = None
        self._shapes: list[torch.Size] | None = None
        if compiling == 'on' or (compiling == 'auto' and steps >= LONG and ranks.size == 1):
            parameter = optimizer.param_groups[0]['params'][0]
            self._compiled = torch.compile(
                objective,
                dynamic=False,
                options={
                    'fallback_random': True,  # draw as torch draws
                    'triton.cudagraphs': parameter.is_cuda,
                },
            )

    @property
    def compiled(self) -> bool:
        """Whether batches of the usual shapes are, or will be, computed by compiled code."""
        return self._compiled is not None

    def __call__(self, *batch: Batch) -> dict[str, Tensor]:
        """Take the step.

        Args:
            batch: The objective's arguments.

        Returns:
            The ``loss`` and the objective's terms, detached, before the step.

        """
        shapes = [rows.shape for part in batch for rows in _tensors(part)]
        if self._compiled is None:
            return self._climb(self._objective, batch)
        if self._shapes is None:
            # The first step tells a wrong batch by its own error, and fills what torch caches at
            # a first call (which distributions' KL is which), where a compiler cannot follow.
            self._shapes = shapes
            return self._climb(self._objective, batch)
        if shapes != self._shapes:
            return self._climb(self._objective, batch)
        return self._climb_compiled(self._compiled, batch)

    def _climb(
        self, objective: Callable[..., Objective], batch: tuple[Batch, ...]
    ) -> dict[str, Tensor]:
        loss, terms = objective(*batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        self._ranks.sum_gradients(self._optimizer.param_groups[0]['params'])
        self._optimizer.step()
        return {'loss': loss.detach(), **terms}

    def _climb_compiled(
        self, objective: Callable[..., Objective], batch: tuple[Batch, ...]
    ) -> dict[str, Tensor]:
        random = torch.get_rng_state()
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]  # torch's own
        try:
            terms = self._climb(objective, batch)
        except Exception as error:  # noqa: BLE001 - no compiler, no header, too old a GPU, …
            _LOGGER.warning(
                'torch.compile: %s; training goes on uncompiled, with the same result but slower; '
                'a C++ compiler (apt install g++) is the usual thing missing',
                _first_line(error),
            )
            self._compiled = None
            torch.set_rng_state(random)
            return self._climb(self._objective, batch)
        # The next step's graph writes where this one's wrote.
        return {name: term.clone() for name, term in terms.items()}


def _tensors(part: Batch) -> list[Tensor]:
    return [part] if isinstance(part, Tensor) else list(part.values())


def _first_line(error: Exception) -> str:
    """What went wrong, without the line before it that only says where."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.endswith(':')), repr(error))
