# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""How a bound averages over a class y that is hidden: Σ_k q(y=k|·) f(k), in three ways.

``gumbel``: one relaxed sample of y by Gumbel-softmax, as the paper; cheap, and biased by its
temperature. ``sum``: every class, weighted; exact, and f runs K times. ``local_expectation``: the
exact gradient in expectation, and only one of f's K + 1 runs has a backward pass. It is the
reparameterised local expectation gradient of Tokui & Sato, Evaluating the variance of
likelihood-ratio gradient estimators, ICML 2017, for one categorical variable. With q and f
depending on the weights, and ε being the noise from which all below y is drawn::

    ∇ Σ_k q_k f_k(ε) = Σ_k f_k(ε) ∇q_k + E_{y ~ q}[∇f_y(ε)]

The first sum is taken in full, so that its variance is left with ε alone, which the classes share:
they are compared under the same noise. It needs values of f and no gradient. The second mean is
left to one y drawn from q. Both together are the gradient of a value that is Σ_k q_k f_k itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import gumbel_softmax, one_hot

from mm_perception.models.networks import normalised_by_the_first
from mm_perception.models.semi_supervised import SemiSupervised


def expected_bounds(
    model: SemiSupervised, inputs: Mapping[str, Tensor], label: Tensor, logits: Tensor
) -> tuple[Tensor, Tensor]:
    """Bound the items whose class is known, and those whose class is hidden, in one population.

    Labelled and unlabelled rows go through the networks together, see ``stacked``. Of ``sum``,
    batch normalisation sees every unlabelled item in every class; of ``gumbel`` and
    ``local_expectation``, in the class that was drawn.

    Args:
        model: Whose ``bound``, and how (``settings.label_inference``).
        inputs: [N + M, ·] by name, what ``bound`` takes; the labelled rows first.
        label: [N, K] one-hot.
        logits: [M, K] of q(y|·), normalised or not.

    Returns:
        The bound of each labelled item, [N], and its mean over q(y|·) of each other one, [M].

    """
    rows, (M, K) = len(label) + len(logits), logits.shape
    way, Z = model.settings.label_inference, model.settings.widths.z
    if way == 'sum':
        noise = torch.randn(len(label) + K * M, Z, dtype=logits.dtype, device=logits.device)
        return summed(model, inputs, label, logits, noise)
    if way == 'local_expectation':
        # The largest of the logits with Gumbel noise is a draw from their distribution.
        drawn = one_hot(gumbel_softmax(logits.detach()).argmax(-1), K).to(logits.dtype)
        noise = torch.randn(rows, Z, dtype=logits.dtype, device=logits.device)
        return local_expectation(model, inputs, label, logits, drawn, noise)
    relaxed = gumbel_softmax(logits, tau=model.settings.temperature)
    noise = torch.randn(rows, Z, dtype=logits.dtype, device=logits.device)
    bound = model.bound(inputs, torch.cat([label, relaxed]), noise)
    return bound[: len(label)], bound[len(label) :]


def summed(
    model: SemiSupervised,
    inputs: Mapping[str, Tensor],
    label: Tensor,
    logits: Tensor,
    noise: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run every class: Σ_k q_k f_k.

    Args:
        model: As ``expected_bounds``, and so are the inputs, label and logits.
        inputs: [N + M, ·] by name.
        label: [N, K].
        logits: [M, K].
        noise: [N + K·M, Z], class by class after the labelled rows.

    """
    N, (M, K) = len(label), logits.shape
    tried = {name: torch.cat([rows[:N], rows[N:].repeat(K, 1)]) for name, rows in inputs.items()}
    bound = model.bound(tried, torch.cat([label, _every_class(logits)]), noise)
    return bound[:N], (logits.softmax(-1).T * bound[N:].view(K, M)).sum(0)


def local_expectation(
    model: SemiSupervised,
    inputs: Mapping[str, Tensor],
    label: Tensor,
    logits: Tensor,
    drawn: Tensor,
    noise: Tensor,
) -> tuple[Tensor, Tensor]:
    """Run every class without a graph, and the drawn one with it.

    Batch normalisation makes an item's bound depend on the other items of its batch. The batch is
    the labelled items with their class and the others with the drawn one: it alone moves the
    running statistics. In the pass without a graph that batch stands before the rows to be tried,
    and they are normalised by its statistics, so that a class is tried as if only this one item
    had changed. What the change would do to the statistics, 1/(N + M) of them, is left out.

    Args:
        model: As ``expected_bounds``, and so are the inputs, label and logits.
        inputs: [N + M, ·] by name.
        label: [N, K].
        logits: [M, K].
        drawn: [M, K] one-hot, drawn from q(y|·).
        noise: [N + M, Z], which an item's classes share.

    """
    N, (M, K) = len(label), logits.shape
    y = torch.cat([label, drawn])
    bound = model.bound(inputs, y, noise)
    with torch.no_grad(), normalised_by_the_first(N + M, model):
        tried = {name: torch.cat([rows, rows[N:].repeat(K, 1)]) for name, rows in inputs.items()}
        every = torch.cat([y, _every_class(logits)])
        shared = torch.cat([noise, noise[N:].repeat(K, 1)])
        values = model.bound(tried, every, shared)[N + M :].view(K, M)
    below = bound[N:] - bound[N:].detach()  # 0, with the gradient of the networks below y
    return bound[:N], (logits.softmax(-1).T * values).sum(0) + below


def _every_class(logits: Tensor) -> Tensor:
    """[K·M, K]: the first class for each item, then the second one, …."""
    M, K = logits.shape
    classes = torch.eye(K, dtype=logits.dtype, device=logits.device)
    return classes[:, None].expand(K, M, K).flatten(0, 1)
