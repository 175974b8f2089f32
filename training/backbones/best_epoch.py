# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Stop a climb when what is held out gets no better, and take the best epoch's weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from training.fitting.climb import Progress, Run


class BestEpoch(nn.Module):
    """A network, and its learning weights as they were after the best epoch so far.

    All of it is state that a checkpoint keeps, so a run that goes on stops where one that was never
    interrupted would.

    Attributes:
        network: What learns.
        best: The least loss so far.
        waited: Epochs since then.

    """

    best: Tensor
    waited: Tensor

    def __init__(self, network: nn.Module, patience: int | None, loss: Callable[[], float]) -> None:
        """Begin.

        Args:
            network: What learns; which of its parameters do is settled.
            patience: How many epochs may pass without a better loss; None: every epoch is the best.
            loss: Of what is held out, now.

        """
        super().__init__()
        self.network = network
        self._patience, self._loss = patience, loss
        self.register_buffer('best', torch.tensor(torch.inf))
        self.register_buffer('waited', torch.tensor(0))
        self._learning = [] if patience is None else [
            parameter for parameter in network.parameters() if parameter.requires_grad
        ]  # fmt: skip
        for number, parameter in enumerate(self._learning):
            self.register_buffer(f'kept_{number}', parameter.detach().clone())

    @property
    def over(self) -> bool:
        """Whether it has waited long enough."""
        return self._patience is not None and int(self.waited) >= self._patience

    def watching(self, run: Run) -> Run:
        """Give a run that stops when it is over."""

        def report(progress: Progress) -> None:
            if progress.epoch_ended and self._patience is not None:
                self._end_epoch()
            run.report(progress)

        return replace(run, report=report, stopping=lambda: self.over or run.stopping())

    def take(self) -> None:
        """Give the network its best weights."""
        with torch.no_grad():
            for number, parameter in enumerate(self._learning):
                parameter.copy_(self.get_buffer(f'kept_{number}'))

    def _end_epoch(self) -> None:
        loss = self._loss()
        if not loss < float(self.best):  # nor is a loss that is no number
            self.waited += 1
            return
        self.best.fill_(loss)
        self.waited.zero_()
        for number, parameter in enumerate(self._learning):
            self.get_buffer(f'kept_{number}').copy_(parameter.detach())
